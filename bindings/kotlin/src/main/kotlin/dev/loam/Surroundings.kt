package dev.loam

import java.lang.ref.WeakReference

/** Where the state of the device comes from, on a platform that tells. */
internal fun interface ConditionsSource {
    /** Says it at once, and whenever it changes, for as long as the process lives. */
    fun watch(tell: (Conditions) -> Unit)
}

/**
 * What engines that this process opens are told of the device, without a word of the app's.
 *
 * A platform's part installs where it comes from: Android's does as the process begins, a plain JVM has none. Nothing is
 * watched until the first engine is there, and nobody keeps an engine alive for it.
 */
internal class Surroundings {
    private class Member<T : Any>(owner: T, private val say: (T, Conditions) -> Unit) {
        private val owner = WeakReference(owner)

        /** Whether there was somebody to tell. */
        fun tell(conditions: Conditions): Boolean = try {
            owner.get()?.let { say(it, conditions) } != null
        } catch (_: IllegalStateException) {
            // It was closed.
            false
        }
    }

    private val members = mutableListOf<Member<*>>()
    private var source: ConditionsSource? = null
    private var isWatching = false
    private var now: Conditions? = null

    /** Says where the state of the device comes from; the first one counts. */
    @Synchronized
    fun install(source: ConditionsSource) {
        if (this.source != null) return
        this.source = source
        watch()
    }

    /** Tells [owner] from now on, by [say], until it is closed or nobody holds it; gives it back. */
    @Synchronized
    fun <T : Any> join(owner: T, say: (T, Conditions) -> Unit): T {
        val member = Member(owner, say)
        members += member
        watch()
        now?.let(member::tell)
        return owner
    }

    private fun watch() {
        val source = source
        if (isWatching || source == null || members.isEmpty()) return
        isWatching = true
        source.watch(::say)
    }

    @Synchronized
    private fun say(conditions: Conditions) {
        if (conditions == now) return
        now = conditions
        // Of a copy: what is told may be logged, by code that opens another one.
        for (member in members.toList()) if (!member.tell(conditions)) members -= member
    }

    companion object {
        /** Those of this process. */
        val process = Surroundings()
    }
}
