package dev.loam.sample.desktop

import dev.loam.sample.DictatePresenter
import dev.loam.sample.DictateState
import dev.loam.sample.Microphone
import dev.loam.sample.Phase
import dev.loam.sample.isBusy
import java.awt.Color
import javax.swing.JButton
import javax.swing.JLabel
import javax.swing.JScrollPane
import javax.swing.JTextPane
import javax.swing.text.SimpleAttributeSet
import javax.swing.text.StyleConstants

/** Writes down what a microphone hears. */
class DictateScreen(
    private val presenter: DictatePresenter,
    private val microphone: () -> Microphone,
) : Screen<DictateState>(presenter) {
    private val adapter = AdapterPicker(presenter::choose)
    private val text = JTextPane().apply {
        isEditable = false
        border = null
        font = Theme.body
        background = Theme.card
    }
    private val level = LevelBar()
    private val heard = JLabel().apply {
        font = Theme.small
        foreground = Theme.muted
    }
    private val action = JButton().apply { addActionListener { act() } }

    init {
        content.add(adapter)
        content.add(space())
        content.add(Card(CardHeight.ROOM).apply {
            add(JScrollPane(text).apply {
                border = null
                viewport.background = Theme.card
                alignmentX = LEFT_ALIGNMENT
            })
        })
        content.add(space())
        content.add(level)
        content.add(space(6))
        content.add(heard)
        content.add(space())
        content.add(action.primary())
    }

    /** Presses the button. */
    fun press(): Unit = action.doClick()

    private fun act(): Unit =
        if (presenter.state.value.phase == Phase.Running) presenter.stop() else presenter.start(microphone())

    override fun draw(state: DictateState) {
        adapter.show(state.adapters, state.adapter, state.phase.isBusy)
        write(state)
        level.level = state.level
        heard.text = if (state.phase == Phase.Finishing) Strings["dictate_finishing"]
        else Strings["dictate_seconds", state.seconds]
        action.text = Strings[if (state.phase == Phase.Running) "action_stop_listening" else "action_listen"]
        action.isEnabled = state.phase != Phase.Finishing
        drawRun(state.phase, state.facts)
    }

    /** What may still grow is paler than what is final. */
    private fun write(state: DictateState) {
        val document = text.styledDocument
        document.remove(0, document.length)
        if (state.text.isEmpty() && state.partial.isEmpty()) {
            document.insertString(0, Strings["dictate_hint"], coloured(Theme.muted))
        } else {
            document.insertString(0, state.text, coloured(Theme.ink))
            val gap = if (state.text.isEmpty()) "" else " "
            document.insertString(document.length, gap + state.partial, coloured(Theme.accent))
        }
    }

    private fun coloured(colour: Color) = SimpleAttributeSet().apply { StyleConstants.setForeground(this, colour) }
}
