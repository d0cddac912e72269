package dev.loam.sample

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch

/** How far the app has come on its way to the first screen. */
sealed interface Opening {
    /** The foundation is opened. */
    data object Under : Opening

    /** There is none; [where] one is looked for. */
    data class Missing(val where: String) : Opening

    /** There is one that cannot be opened. */
    data class Failed(val failure: Failure) : Opening

    /** The screens can be shown. */
    data class Done(val sample: Sample) : Opening
}

/**
 * Opens the foundation when the app starts.
 *
 * @param where the place that a user is told to put one.
 * @param find looks for one; `null` where there is none.
 */
class OpeningPresenter(
    private val where: String,
    scope: CoroutineScope,
    private val find: suspend () -> Places?,
) : Presenter<Opening>(Opening.Under, scope) {
    init {
        scope.launch {
            attempt({ failure -> change { Opening.Failed(failure) } }) {
                val places = find()
                val opened = places?.let { Opening.Done(Sample.open(it, scope)) } ?: Opening.Missing(where)
                change { opened }
            }
        }
    }
}
