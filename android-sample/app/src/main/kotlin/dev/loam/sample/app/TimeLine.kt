package dev.loam.sample.app

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.Path
import android.util.AttributeSet
import android.view.View

/** Values over time, newest at the right. */
class TimeLine(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    /** Values from edge to edge. */
    var capacity: Int = 2

    var values: List<Float> = emptyList()
        set(value) {
            field = value
            invalidate()
        }

    private val line = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = context.getColor(R.color.line) }
    private val mark = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        color = context.getColor(R.color.muted)
        textAlign = Paint.Align.RIGHT
        textSize = resources.getDimension(R.dimen.time_line_text)
    }
    private val pen = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        color = context.getColor(R.color.accent)
        style = Paint.Style.STROKE
        strokeWidth = resources.getDimension(R.dimen.curve)
        strokeJoin = Paint.Join.ROUND
    }
    private val curve = Path()

    override fun onDraw(canvas: Canvas) {
        val scale = mark.measureText("000")
        val right = width - scale
        for (value in 0..TOP.toInt() step STEP) {
            val y = at(value.toFloat())
            canvas.drawLine(0f, y, right, y, line)
            canvas.drawText(value.toString(), width.toFloat(), y + mark.textSize / 3, mark)
        }
        curve.rewind()
        values.forEachIndexed { i, value ->
            val x = right - (values.size - 1 - i) * right / (capacity - 1)
            if (i == 0) curve.moveTo(x, at(value)) else curve.lineTo(x, at(value))
        }
        canvas.drawPath(curve, pen)
    }

    private fun at(value: Float): Float {
        val edge = mark.textSize / 2
        return height - edge - value.coerceIn(0f, TOP) / TOP * (height - 2 * edge)
    }

    private companion object {
        /** Two times gravity. */
        const val TOP = 20f
        const val STEP = 10
    }
}
