package dev.loam.sample.desktop

import dev.loam.sample.MotionSensor
import dev.loam.sample.Phase
import dev.loam.sample.SensePresenter
import dev.loam.sample.SenseState
import dev.loam.sample.isBusy
import dev.loam.sample.percent
import java.awt.GridLayout
import javax.swing.Box
import javax.swing.JButton
import javax.swing.JLabel
import javax.swing.JPanel

/** Tells activities from motion. */
class SenseScreen(
    private val presenter: SensePresenter,
    private val sensor: () -> MotionSensor,
) : Screen<SenseState>(presenter) {
    private val adapter = AdapterPicker(presenter::choose)
    private val activity = JLabel().apply { font = Theme.title }
    private val scores = ScoreBars(rows = 3)
    private val motion = TimeLine(SensePresenter.SHOWN_SAMPLES)
    private val history = List(HISTORY) { JLabel(" ") to JLabel(" ") }
    private val action = JButton().apply { addActionListener { act() } }

    init {
        content.add(adapter)
        content.add(space())
        content.add(Card().apply {
            add(activity)
            add(space())
            add(scores)
        })
        content.add(space())
        content.add(Card().apply {
            add(heading(Strings["sense_motion"]))
            add(motion)
        })
        content.add(space())
        content.add(Card().apply {
            add(heading(Strings["sense_history"]))
            val table = JPanel(GridLayout(0, 2, Theme.GAP, 4))
            table.isOpaque = false
            for ((time, name) in history) {
                time.foreground = Theme.muted
                table.add(time)
                table.add(name)
            }
            add(table.wide())
        })
        content.add(Box.createVerticalGlue())
        content.add(space())
        content.add(action.primary())
    }

    /** Presses the button. */
    fun press(): Unit = action.doClick()

    private fun act(): Unit =
        if (presenter.state.value.phase == Phase.Running) presenter.stop() else presenter.start(sensor())

    override fun draw(state: SenseState) {
        adapter.show(state.adapters, state.adapter, state.phase.isBusy)
        val newest = state.windows.lastOrNull()
        activity.text = newest?.activity ?: Strings["sense_hint"]
        activity.font = if (newest == null) Theme.body else Theme.title
        activity.foreground = if (newest == null) Theme.muted else Theme.accent
        scores.scores = state.scores
        motion.values = state.acceleration
        for ((row, labels) in history.withIndex()) {
            val window = state.windows.getOrNull(state.windows.size - 1 - row)
            labels.first.text = window?.let { Strings["sense_window", it.start, it.end] } ?: " "
            labels.second.text = window?.let { "${it.activity}, ${percent(it.probability)}" } ?: " "
        }
        action.text = Strings[if (state.phase == Phase.Running) "action_stop_sensing" else "action_sense"]
        action.isEnabled = state.phase != Phase.Finishing
        drawRun(state.phase, state.facts)
    }

    private companion object {
        /** Windows that are listed. */
        const val HISTORY = 3
    }
}
