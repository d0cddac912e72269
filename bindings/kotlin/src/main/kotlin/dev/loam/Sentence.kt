package dev.loam

import dev.loam.ffi.LoamException

/**
 * The failure as a sentence that names the value, whatever its kind. [Throwable.message] of a generated exception lists all of
 * its fields instead.
 */
val LoamException.sentence: String
    get() = when (this) {
        is LoamException.Io -> reason
        is LoamException.Malformed -> reason
        is LoamException.Unsupported -> reason
        is LoamException.Tensor -> reason
        is LoamException.Adapter -> reason
        is LoamException.UnknownAdapter -> reason
        is LoamException.Digest -> reason
        is LoamException.ContextFull -> reason
        is LoamException.Argument -> reason
        is LoamException.Memory -> reason
        is LoamException.Refused -> reason
        is LoamException.MissingComponent -> reason
        is LoamException.Text -> reason
        is LoamException.Callback -> reason
        is LoamException.Internal -> reason
        is LoamException.Context -> reason
        is LoamException.Disconnected -> reason
        is LoamException.Version -> reason
        is LoamException.Protocol -> reason
        is LoamException.Lost -> reason
        is LoamException.Delegate -> reason
    }
