import LoamFFI

#if canImport(Darwin)
import Darwin

extension Engine {
    /// As the kernel counts it: the footprint that iOS ends apps by, and pages of mapped files.
    var measuredMemory: ProcessMemory? {
        var info = task_vm_info_data_t()
        var count = mach_msg_type_number_t(MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<natural_t>.size)
        let result = withUnsafeMutablePointer(to: &info) { pointer in
            pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) { words in
                task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), words, &count)
            }
        }
        guard result == KERN_SUCCESS else { return nil }
        return ProcessMemory(anonymous: UInt64(info.phys_footprint), file: UInt64(info.external))
    }
}
#else
extension Engine {
    /// As the engine reads it from the system.
    var measuredMemory: ProcessMemory? {
        raw.memory()
    }
}
#endif
