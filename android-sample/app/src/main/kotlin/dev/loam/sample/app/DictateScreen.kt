package dev.loam.sample.app

import android.text.SpannableStringBuilder
import android.text.Spanned
import android.text.style.ForegroundColorSpan
import android.view.View
import android.widget.Button
import android.widget.ProgressBar
import android.widget.TextView
import dev.loam.sample.DictatePresenter
import dev.loam.sample.DictateState
import dev.loam.sample.Phase
import dev.loam.sample.isBusy

/** Writes down what the microphone hears; [listen] asks for it and starts. */
class DictateScreen(private val screen: View, private val presenter: DictatePresenter, private val listen: () -> Unit) {
    private val run = Run(screen)
    private val picker = AdapterPicker(screen.findViewById(R.id.adapter), presenter::choose)
    private val text: TextView = screen.findViewById(R.id.text)
    private val level: ProgressBar = screen.findViewById(R.id.level)
    private val heard: TextView = screen.findViewById(R.id.heard)
    private val action: Button = screen.findViewById(R.id.action)
    private val paler = screen.context.getColor(R.color.accent)

    init {
        action.setOnClickListener {
            if (presenter.state.value.phase == Phase.Running) presenter.stop() else listen()
        }
    }

    fun draw(state: DictateState) {
        picker.draw(state.adapters, state.adapter, state.phase.isBusy)
        text.text = written(state)
        level.progress = (state.level * level.max).toInt()
        heard.text = if (state.phase == Phase.Finishing) screen.resources.getString(R.string.dictate_finishing)
        else screen.resources.getString(R.string.dictate_seconds, state.seconds)
        action.setText(if (state.phase == Phase.Running) R.string.action_stop_listening else R.string.action_listen)
        action.isEnabled = state.phase != Phase.Finishing
        run.draw(state.phase, state.facts)
    }

    /** What may still grow has another colour than what is final. */
    private fun written(state: DictateState): CharSequence {
        if (state.partial.isEmpty()) return state.text
        val text = SpannableStringBuilder(state.text)
        if (state.text.isNotEmpty()) text.append(' ')
        return text.append(state.partial, ForegroundColorSpan(paler), Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
    }
}
