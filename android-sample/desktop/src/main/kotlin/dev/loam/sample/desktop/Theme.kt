/** Colours, fonts and distances. */
package dev.loam.sample.desktop

import com.formdev.flatlaf.FlatLightLaf
import java.awt.Color
import java.awt.Component
import java.awt.Dimension
import java.awt.Font
import java.awt.Graphics
import java.awt.Graphics2D
import java.awt.RenderingHints
import javax.swing.BorderFactory
import javax.swing.Box
import javax.swing.BoxLayout
import javax.swing.JComponent
import javax.swing.JLabel
import javax.swing.JPanel
import javax.swing.JTextArea
import javax.swing.UIManager

object Theme {
    val ground = Color(0xF5F1EA)
    val card = Color(0xFFFFFF)
    val line = Color(0xE2D9CC)
    val ink = Color(0x2A241D)
    val muted = Color(0x6F665A)
    val accent = Color(0x7C4A21)
    val soft = Color(0xEBDFD0)
    val alarm = Color(0xA4291C)

    /** Distance between things, in pixels. */
    const val GAP = 12

    /** Width of a column of content, in pixels. */
    const val COLUMN = 396

    val body: Font get() = UIManager.getFont("Label.font").deriveFont(14f)
    val small: Font get() = body.deriveFont(12f)
    val strong: Font get() = body.deriveFont(Font.BOLD)
    val title: Font get() = body.deriveFont(Font.BOLD, 26f)

    /** Must run before any component is made. */
    fun apply() {
        System.setProperty("flatlaf.menuBarEmbedded", "false")
        FlatLightLaf.setup()
        val defaults = mapOf(
            "defaultFont" to Font(Font.SANS_SERIF, Font.PLAIN, 14),
            "Component.arc" to 10,
            "Button.arc" to 10,
            "TextComponent.arc" to 10,
            "Component.focusWidth" to 0,
            "Component.innerFocusWidth" to 1,
            "Component.focusColor" to accent,
            "Component.focusedBorderColor" to accent,
            "Component.borderColor" to line,
            "ToggleButton.selectedBackground" to soft,
            "ToggleButton.selectedForeground" to ink,
            "ToggleButton.tab.hoverBackground" to soft,
            "ToggleButton.tab.selectedBackground" to ground,
            "ToggleButton.tab.focusBackground" to ground,
            "ToggleButton.tab.underlineColor" to accent,
            "Button.hoverBorderColor" to accent,
            "Button.focusedBorderColor" to accent,
            "Panel.background" to ground,
            "RootPane.background" to ground,
            "TitlePane.background" to ground,
            "TitlePane.unifiedBackground" to false,
            "TitlePane.foreground" to ink,
            "Label.foreground" to ink,
            "ScrollBar.width" to 8,
            "ScrollBar.track" to ground,
        )
        for ((key, value) in defaults) UIManager.put(key, value)
    }
}

/** A sheet with round corners, whose content lies one below the other. */
class Card(private val height: CardHeight = CardHeight.CONTENT) : JPanel() {
    init {
        layout = BoxLayout(this, BoxLayout.Y_AXIS)
        isOpaque = false
        border = BorderFactory.createEmptyBorder(Theme.GAP, Theme.GAP, Theme.GAP, Theme.GAP)
        alignmentX = Component.LEFT_ALIGNMENT
    }

    override fun getMaximumSize(): Dimension =
        Dimension(Int.MAX_VALUE, if (height == CardHeight.CONTENT) preferredSize.height else Int.MAX_VALUE)

    override fun paintComponent(graphics: Graphics) {
        val pen = graphics.smooth()
        pen.color = Theme.card
        pen.fillRoundRect(0, 0, size.width - 1, size.height - 1, 16, 16)
        pen.color = Theme.line
        pen.drawRoundRect(0, 0, size.width - 1, size.height - 1, 16, 16)
        pen.dispose()
    }
}

/** How high a card is. */
enum class CardHeight {
    /** As its content. */
    CONTENT,

    /** As much as there is. */
    ROOM,
}

/** A pen of its own, with smooth edges. */
fun Graphics.smooth(): Graphics2D = (create() as Graphics2D).apply {
    setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON)
    setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON)
    setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE)
}

/** A heading above a part of a screen. */
fun heading(text: String): JLabel = JLabel(text).apply {
    font = Theme.small
    foreground = Theme.muted
    border = BorderFactory.createEmptyBorder(0, 0, 6, 0)
    alignmentX = Component.LEFT_ALIGNMENT
}

/** Text of several lines. */
fun writing(rows: Int): JTextArea = JTextArea(rows, 0).apply {
    lineWrap = true
    wrapStyleWord = true
    font = Theme.body
    border = null
    alignmentX = Component.LEFT_ALIGNMENT
}

/** The same component, as wide as there is room, in its own height. */
fun <C : JComponent> C.wide(): C = apply {
    alignmentX = Component.LEFT_ALIGNMENT
    maximumSize = Dimension(Int.MAX_VALUE, preferredSize.height)
}

/** Empty height. */
fun space(height: Int = Theme.GAP): Component = Box.createVerticalStrut(height)
