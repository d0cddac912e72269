package dev.loam.sample.desktop

import dev.loam.Input
import dev.loam.sample.ClassifyPresenter
import dev.loam.sample.ClassifyState
import dev.loam.sample.Subject
import dev.loam.sample.isBusy
import java.awt.Color
import java.awt.Component
import java.awt.Dimension
import java.awt.GridLayout
import java.awt.Image
import java.io.File
import javax.imageio.ImageIO
import javax.swing.Box
import javax.swing.ButtonGroup
import javax.swing.ImageIcon
import javax.swing.JButton
import javax.swing.JFileChooser
import javax.swing.JLabel
import javax.swing.JPanel
import javax.swing.JTextField
import javax.swing.JToggleButton

/** Finds the label of a text or a photo. */
class ClassifyScreen(private val presenter: ClassifyPresenter) : Screen<ClassifyState>(presenter) {
    private val subjects = Subject.entries.associateWith { subject ->
        val name = if (subject == Subject.TEXT) "subject_text" else "subject_picture"
        JToggleButton(Strings[name]).apply {
            preferredSize = Dimension(0, 32)
            addActionListener { presenter.show(subject) }
        }
    }
    private val adapter = AdapterPicker(presenter::choose)
    private val labels = JTextField(Strings["labels_default"])
    private val ownLabels = Box.createVerticalBox().apply {
        alignmentX = Component.LEFT_ALIGNMENT
        add(heading(Strings["labels_title"]))
        add(labels.wide())
        add(space())
    }
    private val text = writing(4).apply { putClientProperty("JTextField.placeholderText", Strings["classify_hint"]) }
    private val photo = JLabel().apply {
        alignmentX = Component.LEFT_ALIGNMENT
        preferredSize = Dimension(0, PHOTO)
        maximumSize = Dimension(Int.MAX_VALUE, PHOTO)
    }
    private val action = JButton(Strings["action_classify"]).apply {
        addActionListener { act() }
    }
    private val result = ScoreBars(rows = 4)

    init {
        val group = ButtonGroup()
        val choice = JPanel(GridLayout(1, 0, Theme.GAP, 0)).apply { isOpaque = false }
        for (button in subjects.values) {
            group.add(button)
            choice.add(button)
        }
        content.add(choice.wide())
        content.add(space())
        content.add(adapter)
        content.add(space())
        content.add(Card().apply {
            add(text)
            add(photo)
        })
        content.add(space())
        content.add(ownLabels)
        content.add(action.primary())
        content.add(space())
        content.add(Card().apply {
            add(heading(Strings["result_title"]))
            add(result)
        })
        content.add(Box.createVerticalGlue())
    }

    /** Turns to texts. */
    fun turnToText(): Unit = subjects.getValue(Subject.TEXT).doClick()

    /** Types [content] and presses the button. */
    fun classify(content: String) {
        text.text = content
        action.doClick()
    }

    /** Classifies a photo, as if it was chosen. */
    fun classify(file: File) {
        presenter.setLabels(labels.text)
        ImageIO.read(file)?.let { image ->
            val scale = minOf(PHOTO.toDouble() / image.height, PHOTO * 2.0 / image.width)
            val size = Dimension((image.width * scale).toInt(), (image.height * scale).toInt())
            photo.icon = ImageIcon(image.getScaledInstance(size.width, size.height, Image.SCALE_SMOOTH))
        }
        presenter.classify(file.name) { Input.image(file) }
    }

    private fun act() {
        presenter.setLabels(labels.text)
        if (presenter.state.value.subject == Subject.TEXT) {
            presenter.classify(text.text)
        } else {
            val chooser = JFileChooser()
            if (chooser.showOpenDialog(this) == JFileChooser.APPROVE_OPTION) classify(chooser.selectedFile)
        }
    }

    override fun draw(state: ClassifyState) {
        val isText = state.subject == Subject.TEXT
        subjects.getValue(state.subject).isSelected = true
        for (button in subjects.values) button.isEnabled = !state.phase.isBusy
        adapter.show(state.adapters, state.adapter, state.phase.isBusy)
        text.isVisible = isText
        photo.isVisible = !isText
        // An adapter brings labels of its own.
        ownLabels.isVisible = state.adapter == null
        action.text = Strings[if (isText) "action_classify" else "action_pick"]
        action.isEnabled = !state.phase.isBusy
        result.scores = state.scores
        drawRun(state.phase, state.facts)
    }

    private companion object {
        /** Height of a shown photo. */
        const val PHOTO = 140
    }
}

/** The one button of a screen that begins its work. */
internal fun JButton.primary(): JButton = apply {
    font = Theme.strong
    preferredSize = Dimension(0, 40)
    foreground = Color.WHITE
    background = Theme.accent
    putClientProperty("FlatLaf.style", "hoverBackground: lighten(@background,10%); disabledBackground: #C9B39C; disabledText: #fff; borderWidth: 0")
}.wide()
