package dev.loam.sample.app

import android.content.Context
import android.content.Intent
import android.os.BatteryManager
import android.os.Looper
import android.os.PowerManager
import dev.loam.Battery
import dev.loam.Conditions
import dev.loam.Engine
import dev.loam.LoamStartup
import dev.loam.Saver
import dev.loam.Supply
import dev.loam.Thermal
import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config

/** An engine hears what the system says of the device, as the package wires it, without a word of the app's. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34])
class ConditionsTest {
    private val scenarios: File = System.getenv("LOAM_SCENARIOS")?.let(::File) ?: File(
        System.getenv("CARGO_TARGET_DIR")?.let(::File) ?: File(System.getProperty("loam.root"), "target"), "scenarios",
    )
    private val application get() = RuntimeEnvironment.getApplication()
    private val power get() = shadowOf(application.getSystemService(Context.POWER_SERVICE) as PowerManager)

    private fun battery(level: Int, plugged: Int) {
        val report = Intent(Intent.ACTION_BATTERY_CHANGED).putExtra(BatteryManager.EXTRA_LEVEL, level)
            .putExtra(BatteryManager.EXTRA_SCALE, 100).putExtra(BatteryManager.EXTRA_PLUGGED, plugged)
        @Suppress("DEPRECATION")
        application.sendStickyBroadcast(report)
        shadowOf(Looper.getMainLooper()).idle()
    }

    private fun heat(status: Int) {
        power.setCurrentThermalStatus(status)
        shadowOf(Looper.getMainLooper()).idle()
    }

    private fun saver(on: Boolean) {
        power.setIsPowerSaveMode(on)
        application.sendBroadcast(Intent(PowerManager.ACTION_POWER_SAVE_MODE_CHANGED))
        shadowOf(Looper.getMainLooper()).idle()
    }

    @Test
    fun `an engine hears of heat, the battery and its saver`() {
        battery(40, 0)
        heat(PowerManager.THERMAL_STATUS_LIGHT)
        // What the system does with the provider of the package's manifest.
        Robolectric.setupContentProvider(LoamStartup::class.java)
        Engine.openBlocking(scenarios.resolve("tiny").path).use { engine ->
            fun told(thermal: Thermal, percent: Int, supply: Supply, saver: Saver) =
                assertEquals(Conditions(thermal, Battery(percent.toUByte(), supply, saver)), engine.status.conditions)
            told(Thermal.FAIR, 40, Supply.BATTERY, Saver.OFF)
            heat(PowerManager.THERMAL_STATUS_SEVERE)
            told(Thermal.SERIOUS, 40, Supply.BATTERY, Saver.OFF)
            battery(14, 0)
            told(Thermal.SERIOUS, 14, Supply.BATTERY, Saver.OFF)
            saver(true)
            told(Thermal.SERIOUS, 14, Supply.BATTERY, Saver.ON)
            heat(PowerManager.THERMAL_STATUS_SHUTDOWN)
            told(Thermal.CRITICAL, 14, Supply.BATTERY, Saver.ON)
            heat(PowerManager.THERMAL_STATUS_NONE)
            saver(false)
            battery(90, BatteryManager.BATTERY_PLUGGED_AC)
            told(Thermal.NOMINAL, 90, Supply.MAINS, Saver.OFF)
        }
    }
}
