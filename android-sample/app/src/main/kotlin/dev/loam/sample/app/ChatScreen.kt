package dev.loam.sample.app

import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.BaseAdapter
import android.widget.Button
import android.widget.EditText
import android.widget.ListView
import android.widget.TextView
import dev.loam.sample.ChatPresenter
import dev.loam.sample.ChatState
import dev.loam.sample.Ending
import dev.loam.sample.Phase
import dev.loam.sample.Speaker
import dev.loam.sample.Turn
import dev.loam.sample.isBusy

/** A conversation. */
class ChatScreen(screen: View, private val presenter: ChatPresenter) {
    private val run = Run(screen)
    private val picker = AdapterPicker(screen.findViewById(R.id.adapter), presenter::choose)
    private val turns = Turns(LayoutInflater.from(screen.context))
    private val question: EditText = screen.findViewById(R.id.question)
    private val action: Button = screen.findViewById(R.id.action)
    private val clear: Button = screen.findViewById(R.id.clear)

    init {
        screen.findViewById<ListView>(R.id.turns).adapter = turns
        clear.setOnClickListener { presenter.clear() }
        action.setOnClickListener { if (presenter.state.value.phase.isBusy) presenter.stop() else send() }
        question.setOnEditorActionListener { _, _, _ ->
            send()
            true
        }
    }

    fun draw(state: ChatState) {
        picker.draw(state.adapters, state.adapter, state.phase.isBusy)
        turns.show(state.turns)
        action.setText(if (state.phase == Phase.Running) R.string.action_stop else R.string.action_send)
        action.isEnabled = state.phase != Phase.Finishing
        clear.isEnabled = !state.phase.isBusy
        run.draw(state.phase, state.facts)
    }

    private fun send() {
        if (presenter.state.value.phase.isBusy) return
        presenter.send(question.text.toString())
        question.text.clear()
    }
}

/** What was said, as rows of a list. */
private class Turns(private val inflater: LayoutInflater) : BaseAdapter() {
    private var turns: List<Turn> = emptyList()

    fun show(turns: List<Turn>) {
        if (turns == this.turns) return
        this.turns = turns
        notifyDataSetChanged()
    }

    override fun getCount(): Int = turns.size

    override fun getItem(position: Int): Turn = turns[position]

    override fun getItemId(position: Int): Long = position.toLong()

    override fun getViewTypeCount(): Int = Speaker.entries.size

    override fun getItemViewType(position: Int): Int = turns[position].speaker.ordinal

    override fun areAllItemsEnabled(): Boolean = false

    override fun isEnabled(position: Int): Boolean = false

    override fun getView(position: Int, convertView: View?, parent: ViewGroup): View {
        val turn = turns[position]
        val layout = if (turn.speaker == Speaker.USER) R.layout.turn_user else R.layout.turn_model
        val row = convertView ?: inflater.inflate(layout, parent, false)
        row.findViewById<TextView>(R.id.said).text = turn.text
        row.findViewById<TextView>(R.id.note).apply {
            visibility = if (turn.ending in NOTES) View.VISIBLE else View.GONE
            NOTES[turn.ending]?.let(::setText)
        }
        return row
    }

    private companion object {
        val NOTES = mapOf(Ending.STOPPED to R.string.turn_stopped, Ending.CUT to R.string.turn_cut)
    }
}
