package dev.loam.sample

import dev.loam.Input
import dev.loam.LabelScore
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch

/** What is classified. */
enum class Subject {
    /** Written language. */
    TEXT,

    /** A photo. */
    PICTURE,
}

/** The screen that finds the label of a text or a photo. */
data class ClassifyState(
    val subject: Subject = Subject.TEXT,
    /** Adapters for the subject. */
    val adapters: List<AdapterChoice> = emptyList(),
    /** Alias of the chosen adapter; absent for the bare foundation. */
    val adapter: String? = null,
    /** What to tell apart where no adapter brings labels of its own. */
    val labels: List<String> = emptyList(),
    /** Name of the photo that was classified last. */
    val picture: String? = null,
    /** The last result, most probable label first. */
    val scores: List<LabelScore> = emptyList(),
    val phase: Phase = Phase.Idle,
    val facts: Facts = Facts(),
)

/** Classifies texts on one foundation and photos on another, which on a phone are the same. */
class ClassifyPresenter(
    private val text: OpenFoundation,
    private val pictures: OpenFoundation,
    scope: CoroutineScope,
) : Presenter<ClassifyState>(ClassifyState(adapters = text.adapters(Use.CLASSIFY_TEXT)), scope) {
    /** Turns to texts or to photos. The result of the other kind goes. */
    fun show(subject: Subject) {
        if (subject == state.value.subject || state.value.phase.isBusy) return
        val use = if (subject == Subject.TEXT) Use.CLASSIFY_TEXT else Use.CLASSIFY_PICTURE
        change {
            ClassifyState(subject = subject, adapters = foundation(subject).adapters(use), labels = labels)
        }
    }

    /** Chooses an adapter by its alias; `null` for the bare foundation. */
    fun choose(adapter: String?): Unit = change { copy(adapter = adapter) }

    /** Sets what to tell apart, as names between commas or line ends. */
    fun setLabels(names: String) {
        val labels = names.split(',', '\n').map { it.trim() }.filter { it.isNotEmpty() }.distinct()
        change { copy(labels = labels) }
    }

    /** Finds the label of a text. */
    fun classify(text: String): Unit = run(Subject.TEXT, null) { Input.text(text) }

    /** Finds the label of the photo called [name], which [picture] reads. */
    fun classify(name: String, picture: suspend () -> Input): Unit = run(Subject.PICTURE, name, picture)

    private fun run(subject: Subject, name: String?, input: suspend () -> Input) {
        if (state.value.phase.isBusy) return
        show(subject)
        change { copy(phase = Phase.Running, picture = name, scores = emptyList()) }
        scope.launch {
            attempt({ failure -> change { copy(phase = Phase.Failed(failure)) } }) {
                val foundation = foundation(subject)
                val chosen = state.value
                val start = System.nanoTime()
                val result = input().use { input ->
                    // An adapter's own labels are in the order of its head; others would not fit it.
                    val labels = if (chosen.adapter == null) chosen.labels else emptyList()
                    foundation.app.classify(input, foundation.adapter(chosen.adapter), labels)
                }
                val facts = Facts(
                    latencyMs = millisecondsSince(start),
                    adapter = chosen.adapter,
                    memory = foundation.engine.memory,
                ).ran(result.trace)
                change { copy(phase = Phase.Idle, scores = result.scores, facts = facts) }
            }
        }
    }

    private fun foundation(subject: Subject): OpenFoundation = if (subject == Subject.TEXT) text else pictures
}
