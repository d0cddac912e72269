package dev.loam.sample.app

import android.view.View
import android.widget.Button
import android.widget.TextView
import dev.loam.sample.ActivityWindow
import dev.loam.sample.MotionSensor
import dev.loam.sample.Phase
import dev.loam.sample.SensePresenter
import dev.loam.sample.SenseState
import dev.loam.sample.isBusy
import dev.loam.sample.percent

/** Tells activities from motion. */
class SenseScreen(
    private val screen: View,
    private val presenter: SensePresenter,
    private val sensor: () -> MotionSensor,
) {
    private val run = Run(screen)
    private val picker = AdapterPicker(screen.findViewById(R.id.adapter), presenter::choose)
    private val hint: TextView = screen.findViewById(R.id.hint)
    private val activity: TextView = screen.findViewById(R.id.activity)
    private val scores: ScoreBars = screen.findViewById(R.id.scores)
    private val motion: TimeLine = screen.findViewById(R.id.motion)
    private val history: TextView = screen.findViewById(R.id.history)
    private val action: Button = screen.findViewById(R.id.action)

    init {
        motion.capacity = SensePresenter.SHOWN_SAMPLES
        action.setOnClickListener {
            if (presenter.state.value.phase == Phase.Running) presenter.stop() else presenter.start(sensor())
        }
    }

    fun draw(state: SenseState) {
        picker.draw(state.adapters, state.adapter, state.phase.isBusy)
        val newest = state.windows.lastOrNull()
        hint.visibility = if (newest == null) View.VISIBLE else View.GONE
        activity.visibility = if (newest == null) View.GONE else View.VISIBLE
        activity.text = newest?.activity
        scores.scores = state.scores
        motion.values = state.acceleration
        history.text = state.windows.takeLast(HISTORY).reversed().joinToString("\n") { line(it) }
        action.setText(if (state.phase == Phase.Running) R.string.action_stop_sensing else R.string.action_sense)
        action.isEnabled = state.phase != Phase.Finishing
        run.draw(state.phase, state.facts)
    }

    private fun line(window: ActivityWindow): String {
        val time = screen.resources.getString(R.string.sense_window, window.start, window.end)
        return "$time  ${window.activity}, ${percent(window.probability)}"
    }

    private companion object {
        /** Windows that are listed. */
        const val HISTORY = 3
    }
}
