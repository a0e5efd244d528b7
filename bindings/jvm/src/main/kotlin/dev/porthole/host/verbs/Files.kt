package dev.porthole.host.verbs

import dev.porthole.host.FileVerbs
import dev.porthole.host.contract.Code
import dev.porthole.host.files.ConfigFile
import dev.porthole.host.files.ConfigStore
import dev.porthole.host.files.ConfigText
import dev.porthole.host.files.FileStore
import dev.porthole.host.files.OutputFile
import dev.porthole.host.json.Json
import java.util.concurrent.ExecutorService
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit

/** The configuration and the state, and files that are written. */
internal class Files(
    context: VerbContext,
) : FileVerbs,
    AutoCloseable {
    private val clock = context.clock
    private val events = context.events
    private val loop = context.loop
    private val handles = context.handles
    private val parts = context.parts
    private val config = parts.configFile?.let { ConfigFile(it) }
    private val state = parts.stateFile?.let { ConfigFile(it) }
    private val files = FileStore(parts.folder)
    private var writer: ExecutorService? = null

    /** Whether somebody has changed the configuration file since the last question. */
    fun configChanged(): Boolean = config?.changed() == true

    /** What has been appended still reaches its file, and gives its buffers back. */
    override fun close() {
        writer?.shutdown()
        writer?.awaitTermination(WRITER_MAX_MS, TimeUnit.MILLISECONDS)
    }

    override fun configRead(which: String): String {
        val store = configStore(which) ?: return configFile(which)?.read() ?: "{\"state\":\"absent\"}"
        val result =
            when (val text = store.read()) {
                is ConfigText.Present -> mapOf("state" to "present", "text" to text.text)
                ConfigText.Absent -> mapOf("state" to "absent")
                is ConfigText.Failed -> mapOf("state" to "failed", "reason" to text.reason)
            }
        return Json.write(result)
    }

    override fun configWrite(
        which: String,
        text: String,
    ): Int {
        val store = configStore(which) ?: return configFile(which)?.write(text) ?: Code.UNSUPPORTED
        return if (store.write(text)) Code.OK else Code.FAILED
    }

    override fun configResult(result: String) {
        parts.configStore?.told(result)
    }

    private fun configStore(which: String): ConfigStore? = if (which == "config") parts.configStore else null

    private fun configFile(which: String): ConfigFile? = if (which == "state") state else config

    override fun fileOpen(spec: String): Int =
        handles.parsed(spec, Json::parseObject) { json ->
            val name = json.string("name")
            val mode = json.string("mode")
            if (!files.isAvailable) return Code.UNSUPPORTED
            if (!files.isName(name) || mode !in FILE_MODES) return Code.INVALID
            handles.opening { handle ->
                val channel = OutputFile.openChannel(files.path(name), append = mode == FILE_MODES[0])
                OutputFile(handle, channel, writer(), loop, events, clock) { handles.remove(it.handle) }
            }
        }

    private fun writer(): ExecutorService =
        writer ?: Executors
            .newSingleThreadExecutor { Thread(it, "porthole-files").apply { isDaemon = true } }
            .also { writer = it }

    override fun fileAppend(
        file: Int,
        bytes: ByteArray,
    ): Int = (handles[file] as? OutputFile)?.append(bytes) ?: Code.GONE

    override fun fileSync(file: Int): Int {
        (handles[file] as? OutputFile ?: return Code.GONE).sync()
        return Code.OK
    }

    override fun fileClose(file: Int): Int {
        events.forget(file)
        val open = handles[file] as? OutputFile ?: return Code.GONE
        handles.remove(file)
        open.close()
        return Code.OK
    }

    override fun fileRename(
        from: String,
        to: String,
    ): Int = files.rename(from, to)

    override fun fileDelete(name: String): Int = files.delete(name)

    override fun fileList(): String = files.list()

    private companion object {
        const val WRITER_MAX_MS = 2_000L
        val FILE_MODES = listOf("append", "truncate")
    }
}
