package dev.loam.sample.app

import android.Manifest
import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.content.pm.PackageManager
import android.hardware.SensorManager
import android.os.Bundle
import android.view.View
import android.widget.RadioGroup
import android.widget.TextView
import dev.loam.sample.Opening
import dev.loam.sample.Presenter
import dev.loam.sample.Sample
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.cancel
import kotlinx.coroutines.launch

/** The four screens and the tabs between them. */
class MainActivity : Activity() {
    private val scope: CoroutineScope = MainScope()
    private var sample: Sample? = null
    private var classify: ClassifyScreen? = null

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.main)
        val tabs = findViewById<RadioGroup>(R.id.tabs)
        tabs.setOnCheckedChangeListener { _, tab -> show(tab) }
        show(tabs.checkedRadioButtonId)
        draw((application as SampleApplication).opening) { draw(it) }
    }

    override fun onRestoreInstanceState(savedInstanceState: Bundle) {
        super.onRestoreInstanceState(savedInstanceState)
        show(findViewById<RadioGroup>(R.id.tabs).checkedRadioButtonId)
    }

    /** Nobody is heard or watched behind another app. */
    override fun onStop() {
        if (!isChangingConfigurations) {
            sample?.screens?.dictate?.stop()
            sample?.screens?.sense?.stop()
        }
        super.onStop()
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }

    override fun onRequestPermissionsResult(requestCode: Int, permissions: Array<out String>, grantResults: IntArray) {
        // Without the permission the microphone itself says so.
        if (requestCode == LISTEN) listen()
    }

    override fun onActivityResult(requestCode: Int, resultCode: Int, data: Intent?) {
        val photo = data?.data ?: return
        if (requestCode == PICK && resultCode == RESULT_OK) classify?.classify(photo)
    }

    private fun show(tab: Int) {
        for ((button, screen) in SCREENS) {
            findViewById<View>(screen).visibility = if (button == tab) View.VISIBLE else View.GONE
        }
    }

    private fun draw(opening: Opening) {
        findViewById<TextView>(R.id.opening).text = when (opening) {
            is Opening.Missing -> getString(R.string.no_foundation, opening.where)
            is Opening.Failed -> getString(R.string.failure, opening.failure.reason, opening.failure.code)
            Opening.Under, is Opening.Done -> getString(R.string.opening)
        }
        if (opening is Opening.Done) begin(opening.sample)
    }

    private fun begin(sample: Sample) {
        this.sample = sample
        findViewById<View>(R.id.opening).visibility = View.GONE
        findViewById<View>(R.id.screens).visibility = View.VISIBLE
        val screens = sample.screens
        val sensors = getSystemService(SENSOR_SERVICE) as SensorManager
        val classify = ClassifyScreen(findViewById(R.id.classify), screens.classify, ::pickPhoto)
        val dictate = DictateScreen(findViewById(R.id.dictate), screens.dictate, ::askAndListen)
        val sense = SenseScreen(findViewById(R.id.sense), screens.sense) { DeviceMotion(sensors) }
        val chat = ChatScreen(findViewById(R.id.chat), screens.chat)
        this.classify = classify
        draw(screens.classify, classify::draw)
        draw(screens.dictate, dictate::draw)
        draw(screens.sense, sense::draw)
        draw(screens.chat, chat::draw)
    }

    private fun <S : Any> draw(presenter: Presenter<S>, draw: (S) -> Unit) {
        scope.launch { presenter.state.collect { draw(it) } }
    }

    private fun askAndListen() {
        if (checkSelfPermission(Manifest.permission.RECORD_AUDIO) == PackageManager.PERMISSION_GRANTED) listen()
        else requestPermissions(arrayOf(Manifest.permission.RECORD_AUDIO), LISTEN)
    }

    private fun listen() {
        sample?.screens?.dictate?.start(DeviceMicrophone(applicationContext))
    }

    private fun pickPhoto() {
        val pick = Intent(Intent.ACTION_GET_CONTENT).setType("image/*").addCategory(Intent.CATEGORY_OPENABLE)
        try {
            startActivityForResult(pick, PICK)
        } catch (_: ActivityNotFoundException) {
            findViewById<TextView>(R.id.opening).apply {
                setText(R.string.no_picture)
                visibility = View.VISIBLE
            }
        }
    }

    private companion object {
        const val PICK = 1
        const val LISTEN = 2

        /** Tabs and what they show. */
        val SCREENS = mapOf(
            R.id.tab_classify to R.id.classify,
            R.id.tab_dictate to R.id.dictate,
            R.id.tab_sense to R.id.sense,
            R.id.tab_chat to R.id.chat,
        )
    }
}
