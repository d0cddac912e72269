/** What is drawn by hand: bars of scores, loudness, and acceleration over time. */
package dev.loam.sample.desktop

import dev.loam.LabelScore
import dev.loam.sample.percent
import java.awt.BasicStroke
import java.awt.Component
import java.awt.Dimension
import java.awt.Graphics
import java.awt.geom.Path2D
import javax.swing.JComponent
import kotlin.math.max

/** Labels with bars as long as they are probable. */
class ScoreBars(private val rows: Int) : JComponent() {
    /** Most probable first; those beyond the rows are not shown. */
    var scores: List<LabelScore> = emptyList()
        set(value) {
            field = value
            repaint()
        }

    init {
        alignmentX = Component.LEFT_ALIGNMENT
        preferredSize = Dimension(0, rows * ROW)
        maximumSize = Dimension(Int.MAX_VALUE, rows * ROW)
        minimumSize = preferredSize
    }

    override fun paintComponent(graphics: Graphics) {
        val pen = graphics.smooth()
        for ((row, score) in scores.take(rows).withIndex()) {
            val top = row * ROW
            pen.font = if (row == 0) Theme.strong else Theme.body
            pen.color = Theme.ink
            pen.drawString(score.label, 0, top + BASELINE)
            val share = percent(score.probability)
            pen.drawString(share, width - pen.fontMetrics.stringWidth(share), top + BASELINE)
            pen.color = Theme.soft
            pen.fillRoundRect(0, top + BAR_TOP, width, BAR, BAR, BAR)
            pen.color = Theme.accent
            pen.fillRoundRect(0, top + BAR_TOP, max(BAR, (width * score.probability).toInt()), BAR, BAR, BAR)
        }
        pen.dispose()
    }

    private companion object {
        const val ROW = 38
        const val BASELINE = 15
        const val BAR_TOP = 22
        const val BAR = 6
    }
}

/** How loud it is. */
class LevelBar : JComponent() {
    /** 0 to 1. */
    var level: Float = 0f
        set(value) {
            field = value
            repaint()
        }

    init {
        alignmentX = Component.LEFT_ALIGNMENT
        preferredSize = Dimension(0, HEIGHT)
        maximumSize = Dimension(Int.MAX_VALUE, HEIGHT)
    }

    override fun paintComponent(graphics: Graphics) {
        val pen = graphics.smooth()
        pen.color = Theme.soft
        pen.fillRoundRect(0, 0, width, HEIGHT, HEIGHT, HEIGHT)
        pen.color = Theme.accent
        pen.fillRoundRect(0, 0, (width * level).toInt(), HEIGHT, HEIGHT, HEIGHT)
        pen.dispose()
    }

    private companion object {
        const val HEIGHT = 8
    }
}

/** Values over time, newest at the right. */
class TimeLine(private val capacity: Int) : JComponent() {
    var values: List<Float> = emptyList()
        set(value) {
            field = value
            repaint()
        }

    init {
        alignmentX = Component.LEFT_ALIGNMENT
        preferredSize = Dimension(0, HEIGHT)
        maximumSize = Dimension(Int.MAX_VALUE, HEIGHT)
    }

    override fun paintComponent(graphics: Graphics) {
        val pen = graphics.smooth()
        val right = width - SCALE
        pen.font = Theme.small
        for (mark in 0..TOP.toInt() step 10) {
            val y = at(mark.toFloat())
            pen.color = Theme.line
            pen.drawLine(0, y.toInt(), right, y.toInt())
            pen.color = Theme.muted
            pen.drawString(mark.toString(), right + 8, y.toInt() + 4)
        }
        if (values.size > 1) {
            val curve = Path2D.Float()
            values.forEachIndexed { i, value ->
                val x = right - (values.size - 1 - i) * right / (capacity - 1f)
                if (i == 0) curve.moveTo(x, at(value)) else curve.lineTo(x, at(value))
            }
            pen.color = Theme.accent
            pen.stroke = BasicStroke(2f, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND)
            pen.draw(curve)
        }
        pen.dispose()
    }

    private fun at(value: Float): Float = HEIGHT - EDGE - value.coerceIn(0f, TOP) / TOP * (HEIGHT - 2 * EDGE)

    private companion object {
        const val HEIGHT = 116
        const val EDGE = 8
        const val SCALE = 30

        /** Two times gravity. */
        const val TOP = 20f
    }
}
