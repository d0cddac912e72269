package dev.loam.sample.desktop

import dev.loam.sample.Microphone
import dev.loam.sample.MotionSensor
import dev.loam.sample.Sample
import java.awt.BorderLayout
import java.awt.CardLayout
import java.awt.Dimension
import java.awt.GridLayout
import javax.swing.BorderFactory
import javax.swing.ButtonGroup
import javax.swing.JFrame
import javax.swing.JPanel
import javax.swing.JToggleButton
import kotlinx.coroutines.CoroutineScope

/** The names of the screens, which are those of their tabs. */
enum class Tab(val title: String) {
    CLASSIFY("tab_classify"),
    DICTATE("tab_dictate"),
    SENSE("tab_sense"),
    CHAT("tab_chat"),
}

/** The window: one screen at a time, as large as a phone, and tabs below it. */
class Window(
    sample: Sample,
    microphone: () -> Microphone,
    sensor: () -> MotionSensor,
    scope: CoroutineScope,
) : JFrame("${Strings["app_name"]} · ${sample.foundations.joinToString(" + ")}") {
    val classify = ClassifyScreen(sample.screens.classify)
    val dictate = DictateScreen(sample.screens.dictate, microphone)
    val sense = SenseScreen(sample.screens.sense, sensor)
    val chat = ChatScreen(sample.screens.chat)

    private val stack = CardLayout()
    private val screens = JPanel(stack)
    private val tabs = Tab.entries.associateWith { tab ->
        JToggleButton(Strings[tab.title]).apply {
            putClientProperty("JButton.buttonType", "tab")
            putClientProperty("JToggleButton.tab.underlineColor", Theme.accent)
            preferredSize = Dimension(0, 48)
            addActionListener { show(tab) }
        }
    }

    init {
        defaultCloseOperation = EXIT_ON_CLOSE
        for (tab in Tab.entries) {
            val screen = when (tab) {
                Tab.CLASSIFY -> classify
                Tab.DICTATE -> dictate
                Tab.SENSE -> sense
                Tab.CHAT -> chat
            }
            screens.add(screen, tab.name)
            screen.start(scope)
        }
        val bar = JPanel(GridLayout(1, 0))
        bar.border = BorderFactory.createMatteBorder(1, 0, 0, 0, Theme.line)
        val group = ButtonGroup()
        for (button in tabs.values) {
            group.add(button)
            bar.add(button)
        }
        contentPane.add(screens, BorderLayout.CENTER)
        contentPane.add(bar, BorderLayout.SOUTH)
        contentPane.preferredSize = Dimension(Theme.COLUMN + 2 * Theme.GAP, HEIGHT)
        isResizable = false
        pack()
        setLocationRelativeTo(null)
        show(Tab.CLASSIFY)
    }

    /** Turns to a screen. */
    fun show(tab: Tab) {
        tabs.getValue(tab).isSelected = true
        stack.show(screens, tab.name)
    }

    private companion object {
        const val HEIGHT = 752
    }
}
