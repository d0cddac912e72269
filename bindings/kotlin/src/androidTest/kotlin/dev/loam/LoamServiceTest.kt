package dev.loam

import android.content.ComponentCallbacks2
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Test

/** What needs no device; Binder and the service's life do. */
class LoamServiceTest {
    @Test
    fun `an app is its uid, and named by the system`() {
        assertEquals("u10123.com.example.mail", appName(10123, "com.example.mail"))
        assertEquals("u10123.com.example.shared", appName(10123, "com.example.shared:10123"))
        assertEquals("u1010123", appName(1010123, null))
    }

    @Test
    fun `the system's levels become the engine's`() {
        @Suppress("DEPRECATION")
        val levels = mapOf(
            ComponentCallbacks2.TRIM_MEMORY_RUNNING_MODERATE to TrimLevel.PREFIXES,
            ComponentCallbacks2.TRIM_MEMORY_RUNNING_LOW to TrimLevel.IDLE,
            ComponentCallbacks2.TRIM_MEMORY_RUNNING_CRITICAL to TrimLevel.COMPONENTS,
            ComponentCallbacks2.TRIM_MEMORY_BACKGROUND to TrimLevel.IDLE,
            ComponentCallbacks2.TRIM_MEMORY_MODERATE to TrimLevel.IDLE,
            ComponentCallbacks2.TRIM_MEMORY_COMPLETE to TrimLevel.COMPONENTS,
        )
        for ((level, wanted) in levels) assertEquals(wanted, trimLevel(level), "level $level")
        assertNull(trimLevel(ComponentCallbacks2.TRIM_MEMORY_UI_HIDDEN))
        assertNull(trimLevel(0))
    }
}
