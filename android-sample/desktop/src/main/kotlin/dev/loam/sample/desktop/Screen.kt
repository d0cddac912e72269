package dev.loam.sample.desktop

import dev.loam.sample.Facts
import dev.loam.sample.Phase
import dev.loam.sample.Presenter
import java.awt.BorderLayout
import javax.swing.BorderFactory
import javax.swing.Box
import javax.swing.BoxLayout
import javax.swing.JPanel
import javax.swing.JTextArea
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.launch
import kotlinx.coroutines.swing.Swing

/** One screen: its own content above, what went wrong and the facts below. */
abstract class Screen<S : Any>(private val presenter: Presenter<S>) : JPanel(BorderLayout(0, Theme.GAP)) {
    /** Where a screen puts its content, from top to bottom. */
    protected val content: JPanel = JPanel().apply {
        layout = BoxLayout(this, BoxLayout.Y_AXIS)
        isOpaque = false
    }
    private val facts = FactsCard()
    private val failure: JTextArea = writing(0).apply {
        isEditable = false
        isFocusable = false
        isOpaque = false
        foreground = Theme.alarm
        border = BorderFactory.createEmptyBorder(0, 2, Theme.GAP, 2)
        isVisible = false
    }

    init {
        border = BorderFactory.createEmptyBorder(Theme.GAP, Theme.GAP, Theme.GAP, Theme.GAP)
        add(content, BorderLayout.CENTER)
        val below = Box.createVerticalBox()
        below.add(failure)
        below.add(facts.card)
        add(below, BorderLayout.SOUTH)
    }

    /** Draws each state from now on. */
    fun start(scope: CoroutineScope) {
        scope.launch(Dispatchers.Swing) { presenter.state.collect { draw(it) } }
    }

    protected abstract fun draw(state: S)

    /** What all screens show alike. */
    protected fun drawRun(phase: Phase, facts: Facts) {
        this.facts.show(facts)
        val failed = (phase as? Phase.Failed)?.failure
        failure.isVisible = failed != null
        failure.text = failed?.let { Strings["failure", it.reason, it.code] } ?: ""
    }
}
