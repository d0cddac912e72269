package dev.loam.sample

import dev.loam.FinishReason
import dev.loam.GenerateOptions
import dev.loam.GenerateStats
import dev.loam.Session
import dev.loam.ffi.Event
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.launch

/** Who says something. */
enum class Speaker {
    /** Who holds the device. */
    USER,

    /** The model. */
    MODEL,
}

/** What one side said. */
data class Turn(
    val speaker: Speaker,
    val text: String,
    /** How it ended. */
    val ending: Ending = Ending.COMPLETE,
)

/** How a turn ended. */
enum class Ending {
    /** It goes on. */
    STREAMING,

    /** As it should. */
    COMPLETE,

    /** The user stopped it. */
    STOPPED,

    /** There was no room for more. */
    CUT,
}

/** The screen of a conversation. */
data class ChatState(
    /** Adapters for conversation. */
    val adapters: List<AdapterChoice> = emptyList(),
    /** Alias of the chosen adapter; absent for the bare foundation. */
    val adapter: String? = null,
    /** What was said, oldest first. */
    val turns: List<Turn> = emptyList(),
    val phase: Phase = Phase.Idle,
    val facts: Facts = Facts(),
)

/** Talks with the language model, a piece of text at a time. */
class ChatPresenter(
    private val foundation: OpenFoundation,
    scope: CoroutineScope,
    private val options: GenerateOptions = GenerateOptions(maxTokens = 256u),
) : Presenter<ChatState>(ChatState(adapters = foundation.adapters(Use.CHAT)), scope) {
    private var session: Session? = null
    private var turn: Job? = null

    /**
     * Chooses an adapter by its alias; `null` for the bare foundation. An adapter brings its own instructions, so the
     * conversation begins anew.
     */
    fun choose(adapter: String?) {
        if (adapter == state.value.adapter || state.value.phase.isBusy) return
        change { copy(adapter = adapter) }
        clear()
    }

    /** Forgets the conversation. */
    fun clear() {
        if (state.value.phase.isBusy) return
        session?.close()
        session = null
        change { copy(turns = emptyList(), phase = Phase.Idle, facts = Facts(adapter = adapter)) }
    }

    /** Says [text] and has it answered. An empty one is not sent. */
    fun send(text: String) {
        if (text.isBlank() || state.value.phase.isBusy) return
        change {
            val said = Turn(Speaker.USER, text.trim())
            copy(
                turns = turns + said + Turn(Speaker.MODEL, "", Ending.STREAMING),
                phase = Phase.Running,
                facts = Facts(adapter = adapter),
            )
        }
        var failure: Failure? = null
        turn = scope.launch { attempt({ failure = it }) { answer(text.trim()) } }
        // Not before that is the engine's session free for the next turn, whether this one ended, was stopped or never began.
        turn?.invokeOnCompletion { settle(failure) }
    }

    /** Stops the answer; what was said of it stays in the conversation. */
    fun stop() {
        if (state.value.phase != Phase.Running) return
        change { copy(phase = Phase.Finishing) }
        turn?.cancel()
    }

    private suspend fun answer(text: String) {
        val session = session ?: foundation.app.chat(adapter = foundation.adapter(state.value.adapter))
            .also { session = it }
        val start = System.nanoTime()
        session.respond(text, options).collect { event ->
            when (event) {
                is Event.Text -> say(event.text, millisecondsSince(start))
                is Event.Done -> finish(event.stats)
                else -> Unit
            }
        }
    }

    private fun say(text: String, sinceStart: Double) {
        val memory = foundation.engine.memory
        change {
            val answer = turns.last()
            copy(
                turns = turns.dropLast(1) + answer.copy(text = answer.text + text),
                facts = facts.copy(latencyMs = facts.latencyMs ?: sinceStart, memory = memory),
            )
        }
    }

    private fun finish(stats: GenerateStats) {
        val ending = when (stats.finishReason) {
            FinishReason.MAX_TOKENS, FinishReason.CONTEXT_FULL, FinishReason.DEADLINE -> Ending.CUT
            FinishReason.STOPPED -> Ending.STOPPED
            FinishReason.END_OF_TURN, FinishReason.STOP_STRING -> Ending.COMPLETE
        }
        val memory = foundation.engine.memory
        change {
            copy(
                turns = turns.dropLast(1) + turns.last().copy(ending = ending),
                facts = facts.copy(
                    adapter = stats.adapter?.alias,
                    memory = memory,
                    speed = Speed.Tokens(stats.decodeTokensPerSecond),
                ).ran(stats.trace),
            )
        }
    }

    /** After a failure the engine's history is as before the turn, and so is the screen's. */
    private fun settle(failure: Failure?): Unit = change {
        val answer = turns.last()
        when {
            failure != null -> copy(turns = turns.dropLast(2), phase = Phase.Failed(failure))
            answer.ending == Ending.STREAMING ->
                copy(turns = turns.dropLast(1) + answer.copy(ending = Ending.STOPPED), phase = Phase.Idle)
            else -> copy(phase = Phase.Idle)
        }
    }
}
