package dev.loam.sample.desktop

import dev.loam.sample.Facts
import dev.loam.sample.Speed
import dev.loam.sample.megabytes
import dev.loam.sample.milliseconds
import java.awt.Component
import java.awt.GridLayout
import javax.swing.JLabel
import javax.swing.JPanel

/** Latency, path, adapter and memory of the last work. */
class FactsCard {
    /** Where it is drawn. */
    val card = Card()

    private val latency = cell()
    private val path = cell()
    private val adapter = cell()
    private val memory = cell()

    init {
        val grid = JPanel(GridLayout(2, 2, Theme.GAP, Theme.GAP))
        grid.isOpaque = false
        grid.alignmentX = Component.LEFT_ALIGNMENT
        grid.add(titled("fact_latency", latency))
        grid.add(titled("fact_path", path))
        grid.add(titled("fact_adapter", adapter))
        grid.add(titled("fact_memory", memory))
        card.add(grid)
    }

    fun show(facts: Facts) {
        val unknown = Strings["fact_unknown"]
        val time = facts.latencyMs?.let { milliseconds(it) }
        latency.text = when (val speed = facts.speed) {
            null -> time ?: unknown
            is Speed.Tokens -> Strings["fact_tokens", time ?: unknown, speed.perSecond]
            is Speed.RealTime -> Strings["fact_real_time", time ?: unknown, speed.factor]
        }
        path.text = facts.path?.let { Strings["fact_path_value", it, facts.components.joinToString(", ")] } ?: unknown
        adapter.text = facts.adapter ?: Strings["adapter_none"]
        memory.text = facts.memory
            ?.let { Strings["fact_memory_value", megabytes(it.anonymous), megabytes(it.file)] } ?: unknown
        for (cell in listOf(latency, path, adapter, memory)) cell.toolTipText = cell.text
    }

    private fun cell() = JLabel(Strings["fact_unknown"]).apply { font = Theme.strong.deriveFont(13f) }

    private fun titled(name: String, value: JLabel) = JPanel(GridLayout(2, 1)).apply {
        isOpaque = false
        add(JLabel(Strings[name]).apply {
            font = Theme.small
            foreground = Theme.muted
        })
        add(value)
    }
}
