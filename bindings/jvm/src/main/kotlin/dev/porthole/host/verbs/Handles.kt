package dev.porthole.host.verbs

import dev.porthole.host.contract.Code
import dev.porthole.host.json.JsonFault
import dev.porthole.host.json.appendJson
import dev.porthole.host.loop.EventQueue
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel
import dev.porthole.host.net.closeReason

/**
 * What the core has open, by handle, and how the verbs that open something answer. The core's thread only.
 *
 * Handles are 1 and more, and none is given twice.
 */
internal class Handles(
    private val events: EventQueue,
    private val log: HostLog,
) {
    private val open = HashMap<Int, Any>()
    private var last = 0

    val size: Int get() = open.size

    /** What is open now, by handle; a copy. */
    val all: Map<Int, Any> get() = HashMap(open)

    fun next(): Int = ++last

    operator fun get(handle: Int): Any? = open[handle]

    operator fun set(
        handle: Int,
        what: Any,
    ) {
        open[handle] = what
    }

    operator fun contains(handle: Int): Boolean = handle in open

    fun remove(handle: Int): Any? = open.remove(handle)

    fun clear(): Unit = open.clear()

    inline fun <T : Any> add(make: (Int) -> T): T {
        val handle = next()
        return make(handle).also { set(handle, it) }
    }

    /** An open verb: its failure is the handle's `closed`. */
    inline fun opening(make: (Int) -> Any): Int {
        val handle = next()
        try {
            set(handle, make(handle))
        } catch (error: Exception) {
            openFailed(handle, error)
        }
        return handle
    }

    fun openFailed(
        handle: Int,
        error: Exception,
    ) {
        val json = StringBuilder("{\"type\":\"closed\",\"handle\":").append(handle)
        json.append(",\"reason\":\"").append(closeReason(error)).append("\",\"detail\":")
        events.post(handle, json.appendJson(error.message ?: error.javaClass.simpleName).append('}').toString())
    }

    /** Reads what the core has written; what is ill-formed is its bug, told in the log and by [Code.INVALID]. */
    inline fun <T> parsed(
        text: String,
        parse: (String) -> T,
        use: (T) -> Int,
    ): Int {
        val spec =
            try {
                parse(text)
            } catch (error: JsonFault) {
                illFormed(error)
                return Code.INVALID
            }
        return try {
            use(spec)
        } catch (error: JsonFault) {
            illFormed(error)
            Code.INVALID
        }
    }

    fun illFormed(error: JsonFault) {
        log.log(LogLevel.ERROR, "the core gave an ill-formed spec: ${error.message}")
    }
}
