package dev.porthole.host.verbs

import dev.porthole.host.HostParts
import dev.porthole.host.loop.EventQueue
import dev.porthole.host.loop.SelectorLoop
import dev.porthole.host.media.BlobBudget
import dev.porthole.host.media.TurnFrames
import dev.porthole.host.net.Network

/** What the verbs of one host share. */
internal class VerbContext(
    val parts: HostParts,
) {
    val clock = parts.clock
    val log = parts.log
    val pool = parts.pool
    val events = EventQueue()
    val loop = SelectorLoop(clock, log)
    val network = Network(loop, events, clock, log, parts.offload, parts.unsentLimit)
    val handles = Handles(events, log)

    /** Of the present turn. */
    val frames = TurnFrames()
    val blobs = BlobBudget()
}
