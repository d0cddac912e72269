package dev.loam.sample.app

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.Typeface
import android.util.AttributeSet
import android.view.View
import dev.loam.LabelScore
import dev.loam.sample.percent

/** Labels with bars as long as they are probable. */
class ScoreBars(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    /** Most probable first; those beyond four are not shown. */
    var scores: List<LabelScore> = emptyList()
        set(value) {
            field = value.take(ROWS)
            contentDescription = field.joinToString { "${it.label} ${percent(it.probability)}" }
            requestLayout()
            invalidate()
        }

    private val row = resources.getDimension(R.dimen.score_row)
    private val bar = resources.getDimension(R.dimen.bar)
    private val ink = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        color = context.getColor(R.color.ink)
        textSize = resources.getDimension(R.dimen.score_text)
    }
    private val full = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = context.getColor(R.color.accent) }
    private val empty = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = context.getColor(R.color.soft) }

    override fun onMeasure(widthMeasureSpec: Int, heightMeasureSpec: Int) {
        val height = resolveSize((row * scores.size).toInt(), heightMeasureSpec)
        setMeasuredDimension(getDefaultSize(suggestedMinimumWidth, widthMeasureSpec), height)
    }

    override fun onDraw(canvas: Canvas) {
        for ((place, score) in scores.withIndex()) {
            val top = place * row
            val baseline = top + ink.textSize + bar
            ink.typeface = if (place == 0) Typeface.DEFAULT_BOLD else Typeface.DEFAULT
            ink.textAlign = Paint.Align.LEFT
            canvas.drawText(score.label, 0f, baseline, ink)
            ink.textAlign = Paint.Align.RIGHT
            canvas.drawText(percent(score.probability), width.toFloat(), baseline, ink)
            val under = top + row - bar - bar / 2
            canvas.drawRoundRect(0f, under, width.toFloat(), under + bar, bar, bar, empty)
            canvas.drawRoundRect(0f, under, maxOf(bar, width * score.probability), under + bar, bar, bar, full)
        }
    }

    private companion object {
        const val ROWS = 4
    }
}
