package dev.loam

import android.os.BatteryManager
import android.os.PowerManager
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

/** What the system's numbers mean; listening to them needs a device, or Robolectric (`android-sample`). */
class AndroidDeviceTest {
    @Test
    fun `every thermal status of the system is one of the engine's`() {
        val known = mapOf(
            PowerManager.THERMAL_STATUS_NONE to Thermal.NOMINAL,
            PowerManager.THERMAL_STATUS_LIGHT to Thermal.FAIR,
            PowerManager.THERMAL_STATUS_MODERATE to Thermal.SERIOUS,
            PowerManager.THERMAL_STATUS_SEVERE to Thermal.SERIOUS,
            PowerManager.THERMAL_STATUS_CRITICAL to Thermal.CRITICAL,
            PowerManager.THERMAL_STATUS_EMERGENCY to Thermal.CRITICAL,
            PowerManager.THERMAL_STATUS_SHUTDOWN to Thermal.CRITICAL,
        )
        val all = PowerManager::class.java.fields.filter { it.name.startsWith("THERMAL_STATUS_") }.map { it.getInt(null) }
        assertEquals(all.toSet(), known.keys)
        for ((status, wanted) in known) assertEquals(wanted, thermal(status), "status $status")
    }

    @Test
    fun `a battery is told by its level, its scale and what it is plugged into`() {
        fun told(level: Int, scale: Int, plugged: Int) =
            battery(level, scale, plugged, Saver.OFF).let { it.percent?.toInt() to it.supply }
        assertEquals(14 to Supply.BATTERY, told(14, 100, 0))
        assertEquals(50 to Supply.BATTERY, told(100, 200, 0))
        assertEquals(14 to Supply.BATTERY, told(149, 1000, 0), "it is rounded down")
        assertEquals(100 to Supply.MAINS, told(300, 100, BatteryManager.BATTERY_PLUGGED_AC))
        for (plugged in listOf(BatteryManager.BATTERY_PLUGGED_USB, BatteryManager.BATTERY_PLUGGED_WIRELESS)) {
            assertEquals(Supply.MAINS, told(5, 100, plugged).second)
        }
        // A box without a battery, or a report without its numbers.
        assertEquals(null to Supply.MAINS, told(-1, -1, -1))
        assertEquals(null to Supply.BATTERY, told(10, 0, 0))
        assertEquals(Saver.ON, battery(1, 100, 0, Saver.ON).saver)
    }
}
