/** What all screens share: the run's facts, what went wrong, and the choice of an adapter. */
package dev.loam.sample.app

import android.view.View
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.Spinner
import android.widget.TextView
import dev.loam.sample.AdapterChoice
import dev.loam.sample.Facts
import dev.loam.sample.Phase
import dev.loam.sample.Speed
import dev.loam.sample.megabytes
import dev.loam.sample.milliseconds

/** Shows latency, path, adapter and memory of a screen's last work, and why it failed. */
class Run(private val screen: View) {
    private val failure: TextView = screen.findViewById(R.id.failure)
    private val latency: TextView = screen.findViewById(R.id.fact_latency)
    private val path: TextView = screen.findViewById(R.id.fact_path)
    private val adapter: TextView = screen.findViewById(R.id.fact_adapter)
    private val memory: TextView = screen.findViewById(R.id.fact_memory)

    fun draw(phase: Phase, facts: Facts) {
        val resources = screen.resources
        val failed = (phase as? Phase.Failed)?.failure
        failure.visibility = if (failed == null) View.GONE else View.VISIBLE
        failure.text = failed?.let { resources.getString(R.string.failure, it.reason, it.code) }

        val unknown = resources.getString(R.string.fact_unknown)
        val time = facts.latencyMs?.let { milliseconds(it) } ?: unknown
        latency.text = when (val speed = facts.speed) {
            null -> time
            is Speed.Tokens -> resources.getString(R.string.fact_tokens, time, speed.perSecond)
            is Speed.RealTime -> resources.getString(R.string.fact_real_time, time, speed.factor)
        }
        path.text = facts.path
            ?.let { resources.getString(R.string.fact_path_value, it, facts.components.joinToString(", ")) } ?: unknown
        adapter.text = facts.adapter ?: resources.getString(R.string.adapter_none)
        memory.text = facts.memory?.let {
            resources.getString(R.string.fact_memory_value, megabytes(it.anonymous), megabytes(it.file))
        } ?: unknown
    }
}

/** A spinner of adapters, of which the first entry stands for none. */
class AdapterPicker(private val spinner: Spinner, choose: (String?) -> Unit) {
    private var aliases: List<String?> = emptyList()

    init {
        spinner.onItemSelectedListener = object : AdapterView.OnItemSelectedListener {
            override fun onItemSelected(parent: AdapterView<*>?, view: View?, position: Int, id: Long) {
                // Spinners report what they are set to as well; presenters take a choice that is the same for none.
                choose(aliases[position])
            }

            override fun onNothingSelected(parent: AdapterView<*>?) = Unit
        }
    }

    /** While a screen is [busy] there is nothing to choose. */
    fun draw(adapters: List<AdapterChoice>, chosen: String?, busy: Boolean) {
        spinner.isEnabled = !busy
        val wanted = listOf(null) + adapters.map { it.alias }
        if (wanted != aliases) {
            aliases = wanted
            val names = wanted.map { it ?: spinner.resources.getString(R.string.adapter_none) }
            spinner.adapter = ArrayAdapter(spinner.context, android.R.layout.simple_spinner_item, names)
                .apply { setDropDownViewResource(android.R.layout.simple_spinner_dropdown_item) }
        }
        val position = aliases.indexOf(chosen)
        if (spinner.selectedItemPosition != position) spinner.setSelection(position)
    }
}
