//  What crossing the border costs, as a Markdown table: loam-benchmark SCENARIOS-FOLDER [TURNS]
//
//  Each figure is the best of seven rounds: the machine's own noise only ever adds. Figures that hold a network's time say
//  so. Run it from a release build.

import Foundation
import Loam
import LoamFFI
import LoamFFICore

guard CommandLine.arguments.count >= 2 else {
    FileHandle.standardError.write(Data("usage: loam-benchmark SCENARIOS-FOLDER [TURNS]\n".utf8))
    exit(2)
}
let folder = CommandLine.arguments[1]
let turns = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2]) ?? 2_000 : 2_000

var rows = Rows()
let app = try await Loam.Engine.open("\(folder)/tiny").attach("com.example.benchmark")

rows.add("a call without arguments", "Engine.version", best(turns) { _ = Loam.Engine.version })
rows.add("a method that gives a text", "app.id", best(turns) { _ = app.id })
rows.add("a record of lists", "engine.foundation, 7 components", best(turns / 10) { _ = try? app.engine.foundation })
rows.add(
    "a call that waits off the thread", "Input.image(encoded:) of no bytes, refused",
    try await best(turns / 10) { _ = try? await Loam.Input.image(encoded: Data()) })

let event = LoamFFI.Event.text(text: " token")
let sink = Counter()
rows.add("a token event, there and back", "Swift to Rust to Swift's receiver", best(turns) { deliver(event, to: sink) })
guard sink.count > 0 else { fatalError("no event arrived") }
rows.add(
    "a token event, the network's time included", "tiny model, 64 tokens, AsyncThrowingStream",
    try await best(20) {
        for try await _ in app.generate("The cat", options: GenerateOptions(maxTokens: 64)) {}
    } / 64)

let mebibyte = 1 << 20
let pixels = Data(repeating: 127, count: mebibyte)
rows.add(
    "1 MiB in, lent and refused", "Input.pixels with a wrong width: the crossing alone",
    best(turns / 10) { _ = try? Loam.Input.pixels(pixels, layout: .rgba, width: 512, height: 511) })
rows.add(
    "1 MiB in, pixels", "Input.pixels, 512x512 RGBA, turned into RGB",
    best(50) { _ = try! Loam.Input.pixels(pixels, layout: .rgba, width: 512, height: 512) })
let floats = [Float](repeating: 0.25, count: mebibyte / 4)
let samples = Pcm(floats)
rows.add(
    "1 MiB in, sound", "Input.pcm, f32 mono, checked and kept",
    best(50) { _ = try! Loam.Input.pcm(samples, sampleRate: 16_000) })
rows.add("1 MiB of [Float] packed", "Pcm([Float])", best(50) { _ = Pcm(floats) })

let embedding = try await app.embed(.text("two cats on a mat"))
let wide = Embedding(vector: Data(count: 384 * 4), trace: embedding.trace)
rows.add(
    "an embedding out", "384 numbers and its trace: written, read",
    best(turns) { _ = try! FfiConverterTypeEmbedding_lift(FfiConverterTypeEmbedding_lower(wide)) })
rows.add("an embedding as [Float]", "384 numbers", best(turns) { _ = wide.floats })
rows.add(
    "an embedding, the network's time excluded", "app.embed less its trace, tiny model",
    try await bestDifference(50) { try await app.embed(.text("two cats on a mat")).trace.ms })

print(rows.markdown)

/// Swift hands the event to the engine's side of the receiver, which hands it to the receiver: more than the engine's own
/// delivery costs, which writes it once and reads it once.
func deliver(_ event: LoamFFI.Event, to sink: any LoamFFI.EventSink) {
    var status = RustCallStatus(code: 0, errorBuf: RustBuffer(capacity: 0, len: 0, data: nil))
    _ = uniffi_loam_ffi_fn_method_eventsink_on_event(
        FfiConverterTypeEventSink_lower(sink), FfiConverterTypeEvent_lower(event), &status)
    precondition(status.code == 0, "the receiver failed")
}

final class Counter: LoamFFI.EventSink, @unchecked Sendable {
    private(set) var count = 0

    func onEvent(event: LoamFFI.Event) throws -> Bool {
        count += 1
        return true
    }
}
