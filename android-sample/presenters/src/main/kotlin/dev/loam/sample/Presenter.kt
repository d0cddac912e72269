package dev.loam.sample

import dev.loam.ffi.LoamException
import dev.loam.sentence
import java.io.IOException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update

/**
 * What one screen shows and does, without anything of a platform.
 *
 * A screen collects [state], draws it, and calls the presenter's methods. These return at once; call them from one thread,
 * such as the main one. Work ends with [scope].
 */
abstract class Presenter<S : Any>(initial: S, protected val scope: CoroutineScope) {
    private val current = MutableStateFlow(initial)

    /** What the screen shows now. */
    val state: StateFlow<S> = current.asStateFlow()

    protected fun change(next: S.() -> S): Unit = current.update(next)

    /** Runs [work]; what goes wrong in a way that a user can cause or mend is given to [failed]. */
    protected suspend fun attempt(failed: (Failure) -> Unit, work: suspend () -> Unit) {
        try {
            work()
        } catch (error: LoamException) {
            failed(Failure(error.sentence, error.code().toInt()))
        } catch (error: IOException) {
            failed(Failure(error.message ?: error.toString(), FILE_ERROR))
        }
    }

    private companion object {
        /** The engine's own number for files, which a platform's exception shares. */
        const val FILE_ERROR = 3
    }
}

/** Where a screen's work stands. */
sealed interface Phase {
    /** Nothing runs. */
    data object Idle : Phase

    /** Work is under way. */
    data object Running : Phase

    /** No more input is taken; what was taken is worked off. */
    data object Finishing : Phase

    /** The last work went wrong. */
    data class Failed(val failure: Failure) : Phase
}

/** Whether something runs. */
val Phase.isBusy: Boolean get() = this == Phase.Running || this == Phase.Finishing

/** Why work went wrong. */
data class Failure(
    /** A sentence that names the value. */
    val reason: String,
    /** The engine's number of the kind of error. */
    val code: Int,
)
