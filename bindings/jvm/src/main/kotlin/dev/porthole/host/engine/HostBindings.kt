package dev.porthole.host.engine

import com.dokar.quickjs.binding.JsFunction
import com.dokar.quickjs.binding.JsProperty
import com.dokar.quickjs.binding.ObjectBinding
import dev.porthole.host.HostVerbs
import dev.porthole.host.contract.Code
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel

/**
 * The global `host` of the bundle: the one place where arguments come as `Array<Any?>`. Past it everything is typed.
 *
 * Whole numbers arrive as Long, or as Double past 32 bits, so each is read as a Number; an `Int8Array` arrives as a ByteArray
 * of its whole backing buffer. No byte array is ever returned: the engine would leak it.
 */
internal class HostBindings(
    private val verbs: HostVerbs,
    private val log: HostLog,
) : ObjectBinding {
    private class Verb(
        val failure: Any?,
        val call: (Array<Any?>) -> Any?,
    )

    private val table = HashMap<String, Verb>()

    init {
        loop()
        sockets()
        mediaIn()
        mediaOut()
        storage()
        rest()
    }

    override val properties: List<JsProperty> = emptyList()

    override val functions: List<JsFunction> = table.keys.map { JsFunction(it, isAsync = false) }

    override fun getter(name: String): Any? = null

    override fun setter(
        name: String,
        value: Any?,
    ): Unit = Unit

    override fun invoke(
        name: String,
        args: Array<Any?>,
    ): Any? {
        val verb = table[name] ?: return null
        return try {
            verb.call(args)
        } catch (error: Exception) {
            // Ordinary outcomes are codes, so this is a bug of the host's or of the core's.
            log.log(LogLevel.ERROR, "a bug in host.$name: ${error.stackTraceToString()}")
            verb.failure
        }
    }

    private fun loop() {
        number("contractVersion") { verbs.contractVersion() }
        text("takeEvents", failure = "[]") { verbs.takeEvents() }
    }

    private fun sockets() {
        number("tcpListen") { verbs.tcpListen(it.text(0)) }
        number("listenerClose") { verbs.listenerClose(it.int(0)) }
        number("tcpConnect") { verbs.tcpConnect(it.text(0)) }
        number("tcpWrite") { verbs.tcpWrite(it.int(0), it.bytes(1)) }
        number("tcpWriteBlob") { verbs.tcpWriteBlob(it.int(0), it.int(1), it.int(2), it.int(3)) }
        number("tcpClose") { verbs.tcpClose(it.int(0), it.boolean(1)) }
        number("tcpPause") { verbs.tcpPause(it.int(0)) }
        number("tcpResume") { verbs.tcpResume(it.int(0)) }
        number("udpOpen") { verbs.udpOpen(it.text(0)) }
        number("udpConnect") { verbs.udpConnect(it.int(0), it.text(1), it.int(2)) }
        number("udpSend") { verbs.udpSend(it.int(0), it.bytes(1), it.text(2), it.int(3)) }
        number("udpClose") { verbs.udpClose(it.int(0)) }
        text("interfaces", failure = "[]") { verbs.interfaces() }
    }

    private fun mediaIn() {
        text("cameras", failure = "[]") { verbs.cameras() }
        number("cameraSet") { verbs.cameraSet(it.text(0), it.text(1)) }
        number("capture") { verbs.capture(it.text(0), it.text(1)) }
        number("encoderOpen") { verbs.encoderOpen(it.text(0)) }
        number("encoderClose") { verbs.encoderClose(it.int(0)) }
        number("encoderSetBitrate") { verbs.encoderSetBitrate(it.int(0), it.int(1)) }
        number("encoderSetQuality") { verbs.encoderSetQuality(it.int(0), it.int(1)) }
        number("encoderRequestKeyFrame") { verbs.encoderRequestKeyFrame(it.int(0)) }
    }

    private fun mediaOut() {
        number("outletOpen") { verbs.outletOpen(it.text(0)) }
        number("outletClose") { verbs.outletClose(it.int(0)) }
        text("outletStats") { verbs.outletStats(it.int(0)) }
        text("wireAges") { verbs.wireAges() }
        number("fanoutCreate") { verbs.fanoutCreate(it.text(0)) }
        number("fanoutAdd") { verbs.fanoutAdd(it.int(0), it.int(1)) }
        number("fanoutRemove") { verbs.fanoutRemove(it.int(0), it.int(1)) }
        number("fanoutClose") { verbs.fanoutClose(it.int(0)) }
        number("fanoutSend") { verbs.fanoutSend(it.int(0), it.int(1), it.bytes(2), it.int(3), it.boolean(4)) }
        number("keepFrame") { verbs.keepFrame(it.int(0)) }
        number("blobRelease") { verbs.blobRelease(it.int(0)) }
    }

    private fun storage() {
        text("configRead") { verbs.configRead(it.text(0)) }
        number("configWrite") { verbs.configWrite(it.text(0), it.text(1)) }
        nothing("configResult") { verbs.configResult(it.text(0)) }
        number("fileOpen") { verbs.fileOpen(it.text(0)) }
        number("fileAppend") { verbs.fileAppend(it.int(0), it.bytes(1)) }
        number("fileSync") { verbs.fileSync(it.int(0)) }
        number("fileClose") { verbs.fileClose(it.int(0)) }
        number("fileRename") { verbs.fileRename(it.text(0), it.text(1)) }
        number("fileDelete") { verbs.fileDelete(it.text(0)) }
        text("fileList", failure = "[]") { verbs.fileList() }
    }

    private fun rest() {
        text("clock", failure = "[0,0]") { verbs.clock() }
        text("random") { verbs.random(it.int(0)) }
        nothing("log") { verbs.log(it.text(0), it.text(1)) }
        text("deviceStatus", failure = "{}") { verbs.deviceStatus() }
        nothing("ready") { verbs.ready(it.text(0)) }
        nothing("credentials") { verbs.credentials(it.text(0)) }
        nothing("exit") { verbs.exit(it.int(0), it.text(1)) }
    }

    private fun number(
        name: String,
        call: (Array<Any?>) -> Int,
    ) {
        table[name] = Verb(Code.FAILED, call)
    }

    private fun text(
        name: String,
        failure: String = "",
        call: (Array<Any?>) -> String,
    ) {
        table[name] = Verb(failure, call)
    }

    private fun nothing(
        name: String,
        call: (Array<Any?>) -> Unit,
    ) {
        table[name] =
            Verb(null) {
                call(it)
                null
            }
    }

    /** A number that is no int names no handle and no length. */
    private fun Array<Any?>.int(index: Int): Int {
        val value = (this[index] as Number).toDouble()
        return if (value >= Int.MIN_VALUE && value <= Int.MAX_VALUE) value.toInt() else NO_INT
    }

    private fun Array<Any?>.text(index: Int): String = this[index] as String

    private fun Array<Any?>.boolean(index: Int): Boolean = this[index] as Boolean

    private fun Array<Any?>.bytes(index: Int): ByteArray = this[index] as ByteArray

    private companion object {
        const val NO_INT = -1
    }
}
