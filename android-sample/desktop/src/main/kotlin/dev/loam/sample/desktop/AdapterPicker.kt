package dev.loam.sample.desktop

import dev.loam.sample.AdapterChoice
import java.awt.BorderLayout
import javax.swing.DefaultComboBoxModel
import javax.swing.JComboBox
import javax.swing.JLabel
import javax.swing.JPanel

/** Picks an adapter, or none. */
class AdapterPicker(private val choose: (String?) -> Unit) : JPanel(BorderLayout(Theme.GAP, 0)) {
    private val box = JComboBox<String>()
    private var aliases: List<String?> = emptyList()

    /** Showing a state must not look like a choice of the user. */
    private var isShowing = false

    init {
        isOpaque = false
        add(JLabel(Strings["adapter_title"]).apply { foreground = Theme.muted }, BorderLayout.WEST)
        add(box, BorderLayout.CENTER)
        box.addActionListener { if (!isShowing) choose(aliases[box.selectedIndex]) }
        wide()
    }

    /** While a screen is [busy] there is nothing to choose. */
    fun show(adapters: List<AdapterChoice>, chosen: String?, busy: Boolean) {
        isShowing = true
        box.isEnabled = !busy
        val wanted = listOf(null) + adapters.map { it.alias }
        if (wanted != aliases) {
            aliases = wanted
            box.model = DefaultComboBoxModel(wanted.map { it ?: Strings["adapter_none"] }.toTypedArray())
        }
        box.selectedIndex = aliases.indexOf(chosen)
        box.toolTipText = adapters.find { it.alias == chosen }?.description
        isShowing = false
    }

    /** Picks as a user would. */
    fun pick(alias: String?) {
        box.selectedIndex = aliases.indexOf(alias)
    }
}
