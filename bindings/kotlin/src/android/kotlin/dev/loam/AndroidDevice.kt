package dev.loam

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager

/** Percent of a whole. */
private const val WHOLE = 100

/**
 * How hot this device is, which Android 10 and newer tell, and how it is powered. Asks for no permission; reports come on the
 * main thread and take microseconds there.
 */
internal class AndroidDevice(context: Context) : ConditionsSource {
    private val context: Context = context.applicationContext ?: context

    override fun watch(tell: (Conditions) -> Unit) {
        val power = context.getSystemService(PowerManager::class.java) ?: return
        val reports = DeviceReports(power, tell)
        // The system's own broadcasts, which need no word on who else may send them. The last one of the battery comes at once.
        val filter = IntentFilter(Intent.ACTION_BATTERY_CHANGED).apply {
            addAction(PowerManager.ACTION_POWER_SAVE_MODE_CHANGED)
        }
        context.registerReceiver(reports, filter)?.let(reports::power)
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            try {
                reports.heat(power.currentThermalStatus)
                power.addThermalStatusListener(reports::heat)
            } catch (_: RuntimeException) {
                // What `PowerManager` throws where the system's thermal service is gone or takes no listener: no reason to
                // fail an app that has asked for none.
            }
        }
    }
}

/** Puts together what comes in parts. */
private class DeviceReports(
    private val power: PowerManager,
    private val tell: (Conditions) -> Unit,
) : BroadcastReceiver() {
    private var conditions = Conditions(Thermal.NOMINAL, battery(null, saver()))

    private fun saver(): Saver = if (power.isPowerSaveMode) Saver.ON else Saver.OFF

    override fun onReceive(context: Context, intent: Intent) = power(intent)

    /** What [report] says of the battery, or that the saver was switched. */
    @Synchronized
    fun power(report: Intent) {
        val battery = when (report.action) {
            Intent.ACTION_BATTERY_CHANGED -> battery(report, saver())
            else -> conditions.battery.copy(saver = saver())
        }
        conditions = conditions.copy(battery = battery)
        tell(conditions)
    }

    @Synchronized
    fun heat(status: Int) {
        conditions = conditions.copy(thermal = thermal(status))
        tell(conditions)
    }
}

/** How a device is powered by [report], an [Intent.ACTION_BATTERY_CHANGED]; on mains where there is none. */
private fun battery(report: Intent?, saver: Saver): Battery = battery(
    level = report?.getIntExtra(BatteryManager.EXTRA_LEVEL, -1) ?: -1,
    scale = report?.getIntExtra(BatteryManager.EXTRA_SCALE, -1) ?: -1,
    plugged = report?.getIntExtra(BatteryManager.EXTRA_PLUGGED, -1) ?: -1,
    saver = saver,
)

/**
 * A battery at [level] of [scale] that is [plugged] into one of `BatteryManager.BATTERY_PLUGGED_*`, or into nothing, which is
 * 0. What is not told is negative.
 */
internal fun battery(level: Int, scale: Int, plugged: Int, saver: Saver): Battery {
    val percent = if (level >= 0 && scale > 0) (WHOLE.toLong() * level / scale).coerceAtMost(WHOLE.toLong()) else null
    return Battery(percent?.toUByte(), if (plugged == 0) Supply.BATTERY else Supply.MAINS, saver)
}

/**
 * The engine's word for one of `PowerManager.THERMAL_STATUS_*`. Moderate is serious already: from there on Android's own
 * `JobScheduler` holds jobs of apps back (its `ThermalStatusRestriction`), as the engine does with what nobody waits for.
 */
internal fun thermal(status: Int): Thermal = when {
    status >= PowerManager.THERMAL_STATUS_CRITICAL -> Thermal.CRITICAL
    status >= PowerManager.THERMAL_STATUS_MODERATE -> Thermal.SERIOUS
    status >= PowerManager.THERMAL_STATUS_LIGHT -> Thermal.FAIR
    else -> Thermal.NOMINAL
}
