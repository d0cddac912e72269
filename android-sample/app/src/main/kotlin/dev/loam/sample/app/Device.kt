/** What the device hears and feels. */
package dev.loam.sample.app

import android.Manifest
import android.content.Context
import android.content.pm.PackageManager
import android.hardware.SensorManager
import android.media.AudioFormat
import android.media.AudioRecord
import android.media.MediaRecorder
import dev.loam.ImuSource
import dev.loam.Motion
import dev.loam.androidMotion
import dev.loam.motion
import dev.loam.sample.Microphone
import dev.loam.sample.MotionSensor
import java.io.IOException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.flowOn

/** The device's microphone. Its flow throws [IOException] where it may not or cannot be used. */
class DeviceMicrophone(private val context: Context) : Microphone {
    override val sampleRate: Int = RATE

    override fun chunks(): Flow<ShortArray> = flow {
        val record = open()
        try {
            record.startRecording()
            val chunk = ShortArray(RATE / CHUNKS_PER_SECOND)
            while (true) {
                val count = record.read(chunk, 0, chunk.size)
                if (count < 0) throw failed()
                emit(chunk.copyOf(count))
            }
        } finally {
            record.release()
        }
    }.flowOn(Dispatchers.IO)

    private fun open(): AudioRecord {
        if (context.checkSelfPermission(Manifest.permission.RECORD_AUDIO) != PackageManager.PERMISSION_GRANTED) throw failed()
        val least = AudioRecord.getMinBufferSize(RATE, AudioFormat.CHANNEL_IN_MONO, AudioFormat.ENCODING_PCM_16BIT)
        // A second, so that nothing is lost while the engine works.
        val record = AudioRecord(
            MediaRecorder.AudioSource.VOICE_RECOGNITION, RATE, AudioFormat.CHANNEL_IN_MONO, AudioFormat.ENCODING_PCM_16BIT,
            maxOf(least, RATE * Short.SIZE_BYTES),
        )
        if (record.state == AudioRecord.STATE_INITIALIZED) return record
        record.release()
        throw failed()
    }

    private fun failed() = IOException(context.getString(R.string.no_microphone))

    private companion object {
        /** Hz, as recognisers want it. */
        const val RATE = 16_000
        const val CHUNKS_PER_SECOND = 10
    }
}

/** The device's accelerometer and gyroscope. */
class DeviceMotion(private val sensors: SensorManager) : MotionSensor {
    override val source: ImuSource = androidMotion()

    override fun chunks(): Flow<Motion> = sensors.motion()
}
