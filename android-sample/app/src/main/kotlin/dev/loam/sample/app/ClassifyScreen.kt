package dev.loam.sample.app

import android.net.Uri
import android.view.View
import android.widget.Button
import android.widget.EditText
import android.widget.ImageView
import android.widget.RadioGroup
import dev.loam.Input
import dev.loam.image
import dev.loam.sample.ClassifyPresenter
import dev.loam.sample.ClassifyState
import dev.loam.sample.Subject
import dev.loam.sample.isBusy

/** Finds the label of a text or a photo. */
class ClassifyScreen(
    private val screen: View,
    private val presenter: ClassifyPresenter,
    private val pickPhoto: () -> Unit,
) {
    private val run = Run(screen)
    private val subjects: RadioGroup = screen.findViewById(R.id.subjects)
    private val picker = AdapterPicker(screen.findViewById(R.id.adapter), presenter::choose)
    private val text: EditText = screen.findViewById(R.id.text)
    private val photo: ImageView = screen.findViewById(R.id.photo)
    private val ownLabels: View = screen.findViewById(R.id.own_labels)
    private val labels: EditText = screen.findViewById(R.id.labels)
    private val action: Button = screen.findViewById(R.id.action)
    private val scores: ScoreBars = screen.findViewById(R.id.scores)

    init {
        subjects.setOnCheckedChangeListener { _, checked ->
            presenter.show(if (checked == R.id.subject_text) Subject.TEXT else Subject.PICTURE)
        }
        action.setOnClickListener {
            if (presenter.state.value.subject == Subject.TEXT) {
                presenter.setLabels(labels.text.toString())
                presenter.classify(text.text.toString())
            } else {
                pickPhoto()
            }
        }
    }

    /** Classifies a photo that was picked. */
    fun classify(uri: Uri) {
        presenter.setLabels(labels.text.toString())
        presenter.classify(uri.lastPathSegment ?: uri.toString()) {
            val bitmap = Photo.read(screen.context, uri)
            // The views are the main thread's, and this may run elsewhere.
            photo.post { photo.setImageBitmap(bitmap) }
            Input.image(bitmap)
        }
    }

    fun draw(state: ClassifyState) {
        val isText = state.subject == Subject.TEXT
        for (i in 0 until subjects.childCount) subjects.getChildAt(i).isEnabled = !state.phase.isBusy
        subjects.check(if (isText) R.id.subject_text else R.id.subject_picture)
        picker.draw(state.adapters, state.adapter, state.phase.isBusy)
        text.visibility = if (isText) View.VISIBLE else View.GONE
        photo.visibility = if (isText) View.GONE else View.VISIBLE
        // An adapter brings labels of its own.
        ownLabels.visibility = if (state.adapter == null) View.VISIBLE else View.GONE
        action.setText(if (isText) R.string.action_classify else R.string.action_pick)
        action.isEnabled = !state.phase.isBusy
        scores.scores = state.scores
        run.draw(state.phase, state.facts)
    }
}
