package dev.loam.sample.app

import android.content.Context
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.Canvas
import android.hardware.Sensor
import android.hardware.SensorManager
import android.net.Uri
import android.os.Looper
import android.view.View
import android.widget.Button
import android.widget.EditText
import android.widget.ListView
import android.widget.RadioButton
import android.widget.Spinner
import android.widget.TextView
import dev.loam.sample.Opening
import dev.loam.sample.Phase
import dev.loam.sample.Sample
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import org.robolectric.shadows.SensorEventBuilder
import org.robolectric.shadows.ShadowAudioRecord
import org.robolectric.shadows.ShadowSensor

/** The activity on Android's own framework code, with the tiny models of the scenarios. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34], qualifiers = "w412dp-h860dp-xhdpi")
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class MainActivityTest {
    private val scenarios: File = System.getenv("LOAM_SCENARIOS")?.let(::File) ?: File(
        System.getenv("CARGO_TARGET_DIR")?.let(::File) ?: File(System.getProperty("loam.root"), "target"), "scenarios",
    )
    private val application get() = RuntimeEnvironment.getApplication() as SampleApplication
    private lateinit var controller: ActivityController<MainActivity>
    private val activity get() = controller.get()

    /** As `adb push` would. */
    @Before
    fun push() {
        check(scenarios.exists()) { "$scenarios is not there: make scenarios" }
        val files = checkNotNull(application.getExternalFilesDir(null))
        scenarios.resolve("tiny").copyRecursively(files.resolve("foundation"))
        scenarios.resolve("adapters").copyRecursively(files.resolve("adapters"))
    }

    @After
    fun close() {
        controller.pause().stop().destroy()
        (application.opening.state.value as? Opening.Done)?.sample?.close()
    }

    private fun open(): Sample {
        controller = Robolectric.buildActivity(MainActivity::class.java).setup()
        wait { application.opening.state.value is Opening.Done }
        wait { activity.findViewById<View>(R.id.screens).visibility == View.VISIBLE }
        return (application.opening.state.value as Opening.Done).sample
    }

    /** Lets the main thread work until something holds. */
    private fun wait(holds: () -> Boolean) {
        val end = System.nanoTime() + 20_000_000_000
        while (!holds()) {
            check(System.nanoTime() < end) { "waited for 20 s: ${failures()}" }
            shadowOf(Looper.getMainLooper()).idle()
            Thread.sleep(2)
        }
        shadowOf(Looper.getMainLooper()).idle()
    }

    private fun failures(): List<String> = listOf(R.id.classify, R.id.dictate, R.id.sense, R.id.chat)
        .map { text(it, R.id.failure) }

    private fun <V : View> on(screen: Int, view: Int): V = activity.findViewById<View>(screen).findViewById(view)

    private fun text(screen: Int, view: Int): String = on<TextView>(screen, view).text.toString()

    @Test
    fun `tabs show one screen each`() {
        open()
        val tabs = mapOf(
            R.id.tab_classify to R.id.classify, R.id.tab_dictate to R.id.dictate, R.id.tab_sense to R.id.sense,
            R.id.tab_chat to R.id.chat,
        )
        for (tab in tabs.keys) {
            activity.findViewById<RadioButton>(tab).performClick()
            for ((other, screen) in tabs) {
                assertEquals(other == tab, activity.findViewById<View>(screen).visibility == View.VISIBLE)
            }
        }
    }

    @Test
    fun `a photo that was picked is classified`() {
        val screens = open().screens
        on<RadioButton>(R.id.classify, R.id.subject_picture).performClick()
        wait { text(R.id.classify, R.id.action) == activity.getString(R.string.action_pick) }
        on<EditText>(R.id.classify, R.id.labels).setText("cat, dog, bird")
        on<Button>(R.id.classify, R.id.action).performClick()
        val asked = shadowOf(activity).nextStartedActivityForResult
        assertEquals(Intent.ACTION_GET_CONTENT, asked.intent.action)

        val uri = Uri.parse("content://photos/square.png")
        shadowOf(activity.contentResolver).registerInputStreamSupplier(uri) { scenarios.resolve("square.png").inputStream() }
        shadowOf(activity).receiveResult(asked.intent, android.app.Activity.RESULT_OK, Intent().setData(uri))
        wait { screens.classify.state.value.scores.isNotEmpty() }
        // Which one it is says nothing here: a bitmap on this machine lies in memory as blue, green, red.
        assertEquals(setOf("cat", "dog", "bird"), screens.classify.state.value.scores.map { it.label }.toSet())
        assertEquals("square.png", screens.classify.state.value.picture)
        wait { text(R.id.classify, R.id.fact_path) == "3: image, text" }
        assertTrue(text(R.id.classify, R.id.fact_memory).contains("MB"))
        picture("classify")
    }

    @Test
    fun `a conversation streams, and an adapter is picked for it`() {
        val screens = open().screens
        activity.findViewById<RadioButton>(R.id.tab_chat).performClick()
        on<Spinner>(R.id.chat, R.id.adapter).setSelection(1)
        wait { screens.chat.state.value.adapter == "voice" }
        on<EditText>(R.id.chat, R.id.question).setText("Hello")
        on<Button>(R.id.chat, R.id.action).performClick()
        assertEquals("", text(R.id.chat, R.id.question))
        wait { screens.chat.state.value.turns.last().text.isNotEmpty() }
        wait { text(R.id.chat, R.id.action) == activity.getString(R.string.action_stop) || on<Button>(R.id.chat, R.id.action).isEnabled }
        wait { screens.chat.state.value.phase == Phase.Idle }
        wait { text(R.id.chat, R.id.fact_path) == "2: vision-language" }
        assertEquals("voice", text(R.id.chat, R.id.fact_adapter))
        assertEquals(2, on<ListView>(R.id.chat, R.id.turns).count)
        picture("chat")
    }

    @Test
    fun `what the device lacks or does not allow is told`() {
        open()
        activity.findViewById<RadioButton>(R.id.tab_dictate).performClick()
        on<Button>(R.id.dictate, R.id.action).performClick()
        assertEquals(
            listOf(android.Manifest.permission.RECORD_AUDIO),
            shadowOf(activity).lastRequestedPermission.requestedPermissions.toList(),
        )
        activity.onRequestPermissionsResult(2, arrayOf(android.Manifest.permission.RECORD_AUDIO), intArrayOf(-1))
        wait { on<View>(R.id.dictate, R.id.failure).visibility == View.VISIBLE }
        assertEquals(
            activity.getString(R.string.failure, activity.getString(R.string.no_microphone), 3),
            text(R.id.dictate, R.id.failure),
        )

        activity.findViewById<RadioButton>(R.id.tab_sense).performClick()
        on<Button>(R.id.sense, R.id.action).performClick()
        wait { on<View>(R.id.sense, R.id.failure).visibility == View.VISIBLE }
        assertTrue(text(R.id.sense, R.id.failure), "accelerometer" in text(R.id.sense, R.id.failure))
    }

    @Test
    fun `the microphone is written down until it is stopped`() {
        val screens = open().screens
        shadowOf(application).grantPermissions(android.Manifest.permission.RECORD_AUDIO)
        ShadowAudioRecord.setSourceProvider { Speech(scenarios.resolve("speech.wav")) }
        activity.findViewById<RadioButton>(R.id.tab_dictate).performClick()
        on<Button>(R.id.dictate, R.id.action).performClick()
        wait { screens.dictate.state.value.seconds > 2.5 }
        wait { text(R.id.dictate, R.id.action) == activity.getString(R.string.action_stop_listening) }
        picture("dictate")
        on<Button>(R.id.dictate, R.id.action).performClick()
        wait { screens.dictate.state.value.phase == Phase.Idle }
        assertTrue(screens.dictate.state.value.text.length > 20)
        wait { text(R.id.dictate, R.id.text) == screens.dictate.state.value.text }
        assertEquals("3: speech", text(R.id.dictate, R.id.fact_path))
    }

    @Test
    fun `the sensors are felt until another app is in front`() {
        val sensors = shadowOf(application.getSystemService(Context.SENSOR_SERVICE) as SensorManager)
        val kinds = listOf(Sensor.TYPE_ACCELEROMETER, Sensor.TYPE_GYROSCOPE).map { ShadowSensor.newInstance(it) }
        kinds.forEach(sensors::addSensor)
        val screens = open().screens
        activity.findViewById<RadioButton>(R.id.tab_sense).performClick()
        on<Button>(R.id.sense, R.id.action).performClick()
        wait { sensors.listeners.isNotEmpty() }
        val walk = scenarios.resolve("walk.f32").readBytes()
        val values = ByteBuffer.wrap(walk).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        for (step in 0 until 160) {
            for ((place, sensor) in kinds.withIndex()) {
                val axes = FloatArray(3) { values[6 * step + 3 * place + it] }
                val event = SensorEventBuilder.newBuilder().setSensor(sensor).setTimestamp(20_000_000L * step)
                sensors.sendSensorEventToListeners(event.setValues(axes).build())
            }
        }
        wait { screens.sense.state.value.windows.size == 5 }
        assertEquals(List(5) { "running" }, screens.sense.state.value.windows.map { it.activity })
        wait { text(R.id.sense, R.id.activity) == "running" }
        assertEquals("3: imu", text(R.id.sense, R.id.fact_path))
        picture("sense")
        controller.pause().stop()
        wait { screens.sense.state.value.phase == Phase.Idle }
        wait { sensors.listeners.isEmpty() }
        controller.start().resume()
    }

    @Test
    fun `a turned device keeps the conversation`() {
        val screens = open().screens
        activity.findViewById<RadioButton>(R.id.tab_chat).performClick()
        screens.chat.send("Hello")
        wait { screens.chat.state.value.phase == Phase.Idle }
        controller.recreate()
        wait { on<ListView>(R.id.chat, R.id.turns).count == 2 }
        assertEquals(View.VISIBLE, activity.findViewById<View>(R.id.chat).visibility)
    }

    @Test
    fun `without a foundation the screen says where to put one`() {
        val files = checkNotNull(application.getExternalFilesDir(null))
        files.deleteRecursively()
        controller = Robolectric.buildActivity(MainActivity::class.java).setup()
        wait { application.opening.state.value is Opening.Missing }
        val text = activity.findViewById<TextView>(R.id.opening).text.toString()
        assertTrue(text, files.resolve("foundation").path in text)
    }

    /** What the activity looks like, for a look at target/screens. */
    private fun picture(name: String) {
        val root = activity.window.decorView
        val bitmap = Bitmap.createBitmap(root.width, root.height, Bitmap.Config.ARGB_8888)
        root.draw(Canvas(bitmap))
        val file = File("target/screens/$name.png")
        file.parentFile?.mkdirs()
        file.outputStream().use { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }
    }
}

/** A recording in the place of a microphone, and silence after it. */
private class Speech(file: File) : ShadowAudioRecord.AudioRecordSource {
    private val samples = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN)
        .apply { position(44) }.slice().order(ByteOrder.LITTLE_ENDIAN).asShortBuffer()

    override fun readInShortArray(audioData: ShortArray, offset: Int, size: Int, isBlocking: Boolean): Int {
        Thread.sleep(5)
        for (i in 0 until size) audioData[offset + i] = if (samples.hasRemaining()) samples.get() else 0
        return size
    }
}
