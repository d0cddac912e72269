package dev.loam.sample.desktop

import dev.loam.sample.ChatPresenter
import dev.loam.sample.ChatState
import dev.loam.sample.Ending
import dev.loam.sample.Phase
import dev.loam.sample.Speaker
import dev.loam.sample.Turn
import dev.loam.sample.isBusy
import java.awt.BorderLayout
import java.awt.Dimension
import javax.swing.BorderFactory
import javax.swing.Box
import javax.swing.JButton
import javax.swing.JPanel
import javax.swing.JScrollPane
import javax.swing.JTextField
import javax.swing.ScrollPaneConstants
import javax.swing.SwingUtilities

/** A conversation. */
class ChatScreen(private val presenter: ChatPresenter) : Screen<ChatState>(presenter) {
    private val adapter = AdapterPicker(presenter::choose)
    private val turns = Box.createVerticalBox()
    private val bubbles = mutableListOf<Bubble>()
    private val scroll = JScrollPane(
        JPanel(BorderLayout()).apply { add(turns, BorderLayout.NORTH) },
        ScrollPaneConstants.VERTICAL_SCROLLBAR_AS_NEEDED,
        ScrollPaneConstants.HORIZONTAL_SCROLLBAR_NEVER,
    )
    private val question = JTextField().apply {
        putClientProperty("JTextField.placeholderText", Strings["chat_hint"])
        addActionListener { act() }
    }
    private val action = JButton().apply { addActionListener { act() } }
    private val clear = JButton(Strings["action_clear"]).apply { addActionListener { presenter.clear() } }

    init {
        scroll.border = null
        scroll.alignmentX = LEFT_ALIGNMENT
        val top = JPanel(BorderLayout(Theme.GAP, 0)).apply { isOpaque = false }
        top.add(adapter, BorderLayout.CENTER)
        top.add(clear, BorderLayout.EAST)
        val bottom = JPanel(BorderLayout(Theme.GAP, 0)).apply { isOpaque = false }
        bottom.add(question, BorderLayout.CENTER)
        bottom.add(action.primary().apply { preferredSize = Dimension(84, 40) }, BorderLayout.EAST)
        content.add(top.wide())
        content.add(space())
        content.add(scroll)
        content.add(space())
        content.add(bottom.wide())
    }

    /** Picks an adapter as a user would. */
    fun pick(alias: String?): Unit = adapter.pick(alias)

    /** Presses the button: stops, or sends what is typed. */
    fun press(): Unit = action.doClick()

    /** Types [text] and sends it. */
    fun say(text: String) {
        question.text = text
        action.doClick()
    }

    private fun act() {
        if (presenter.state.value.phase.isBusy) {
            presenter.stop()
        } else {
            presenter.send(question.text)
            question.text = ""
        }
    }

    override fun draw(state: ChatState) {
        adapter.show(state.adapters, state.adapter, state.phase.isBusy)
        while (bubbles.size > state.turns.size) turns.remove(bubbles.removeAt(bubbles.size - 1))
        while (bubbles.size < state.turns.size) {
            val bubble = Bubble(isMine = state.turns[bubbles.size].speaker == Speaker.USER)
            bubbles += bubble
            turns.add(bubble)
        }
        for ((bubble, turn) in bubbles.zip(state.turns)) bubble.show(turn.text, note(turn))
        turns.revalidate()
        turns.repaint()
        SwingUtilities.invokeLater { scroll.verticalScrollBar.value = scroll.verticalScrollBar.maximum }
        action.text = Strings[if (state.phase == Phase.Running) "action_stop" else "action_send"]
        action.isEnabled = state.phase != Phase.Finishing
        clear.isEnabled = !state.phase.isBusy
        drawRun(state.phase, state.facts)
    }

    private fun note(turn: Turn): String? = when (turn.ending) {
        Ending.STOPPED -> Strings["turn_stopped"]
        Ending.CUT -> Strings["turn_cut"]
        Ending.STREAMING, Ending.COMPLETE -> null
    }
}

/** What one side said, on a sheet as wide as its text. */
private class Bubble(private val isMine: Boolean) : JPanel(BorderLayout()) {
    private val sheet = WrappedText(isMine)

    init {
        isOpaque = false
        border = BorderFactory.createEmptyBorder(0, 0, 8, 0)
        add(sheet, if (isMine) BorderLayout.EAST else BorderLayout.WEST)
    }

    fun show(text: String, note: String?): Unit = sheet.show(text, note)
}
