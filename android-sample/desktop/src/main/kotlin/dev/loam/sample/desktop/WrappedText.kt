package dev.loam.sample.desktop

import java.awt.Color
import java.awt.Dimension
import java.awt.Graphics
import java.awt.font.FontRenderContext
import java.awt.font.LineBreakMeasurer
import java.awt.font.TextAttribute
import java.awt.font.TextLayout
import java.text.AttributedString
import javax.swing.JComponent
import kotlin.math.ceil

/** Text on a sheet of its own size, in lines that are never longer than a part of the column. */
class WrappedText(private val isMine: Boolean) : JComponent() {
    private var lines: List<TextLayout?> = emptyList()
    private var note: TextLayout? = null
    private var shown: Pair<String, String?>? = null

    fun show(text: String, note: String?) {
        if (shown == text to note) return
        shown = text to note
        lines = text.ifEmpty { "…" }.split('\n').flatMap { broken(it) }
        this.note = note?.let { TextLayout(it, Theme.small, CONTEXT) }
        val widest = (lines + this.note).maxOf { it?.advance ?: 0f }
        val height = lines.size * LINE + if (note == null) 0 else LINE
        preferredSize = Dimension(ceil(widest).toInt() + 2 * EDGE, height + EDGE + 4)
        revalidate()
        repaint()
    }

    override fun paintComponent(graphics: Graphics) {
        val pen = graphics.smooth()
        pen.color = if (isMine) Theme.accent else Theme.card
        pen.fillRoundRect(0, 0, width - 1, height - 1, 18, 18)
        if (!isMine) {
            pen.color = Theme.line
            pen.drawRoundRect(0, 0, width - 1, height - 1, 18, 18)
        }
        pen.color = if (isMine) Color.WHITE else Theme.ink
        var baseline = EDGE / 2 + LINE - 4
        for (line in lines) {
            line?.draw(pen, EDGE.toFloat(), baseline.toFloat())
            baseline += LINE
        }
        pen.color = if (isMine) Theme.soft else Theme.muted
        note?.draw(pen, EDGE.toFloat(), baseline.toFloat())
        pen.dispose()
    }

    /** Lines of one paragraph; `null` for an empty one. */
    private fun broken(paragraph: String): List<TextLayout?> {
        if (paragraph.isEmpty()) return listOf(null)
        val text = AttributedString(paragraph).apply { addAttribute(TextAttribute.FONT, Theme.body) }.iterator
        val measurer = LineBreakMeasurer(text, CONTEXT)
        val lines = mutableListOf<TextLayout>()
        while (measurer.position < text.endIndex) lines += measurer.nextLayout(WIDEST)
        return lines
    }

    private companion object {
        const val EDGE = 12
        const val LINE = 20
        const val WIDEST = Theme.COLUMN * 0.74f
        val CONTEXT = FontRenderContext(null, true, true)
    }
}
