package dev.loam

import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicInteger

/**
 * An object of the engine that calls take as an argument.
 *
 * Generated code counts the calls *of* an object, and frees it after the last one; it does not look at arguments, so one that
 * is closed before or during a call would be read after it was freed. Here it is refused, or freed after the call.
 */
internal class Lent<T : AutoCloseable>(private val value: T, private val name: String) : AutoCloseable {
    private val closed = AtomicBoolean()

    /** The owner and the calls that run. */
    private val holders = AtomicInteger(1)

    /** Runs [call] with the object. Throws [IllegalStateException] once it was closed. */
    fun <R> to(call: (T) -> R): R {
        do {
            val now = holders.get()
            check(now > 0 && !closed.get()) { "$name is closed" }
        } while (!holders.compareAndSet(now, now + 1))
        try {
            return call(value)
        } finally {
            letGo()
        }
    }

    override fun close() {
        if (closed.compareAndSet(false, true)) letGo()
    }

    private fun letGo() {
        if (holders.decrementAndGet() == 0) value.close()
    }
}

/** Runs [call] with the adapter's object, or with none. */
internal fun <R> Adapter?.lend(call: (dev.loam.ffi.Adapter?) -> R): R = if (this == null) call(null) else lent.to(call)

/** Runs [call] with the objects of all inputs. */
internal fun <R> List<Input>.lend(call: (List<dev.loam.ffi.Input>) -> R): R =
    fold(call) { inner, input -> { others -> input.lent.to { inner(listOf(it) + others) } } }(emptyList())
