package dev.porthole.desktop

import java.io.File

/** What the operator got wrong, in one line. */
internal class UsageFault(
    message: String,
) : Exception(message)

/**
 * The command line, the same as the Node host's (bindings/node/command-line.ts): flags as options, and as overrides in the
 * configuration's shape.
 */
internal class CommandLine private constructor(
    val configFile: File?,
    val readyFile: File?,
    /** Camera specs by name, as [CameraSpecs] takes them. */
    val cameras: Map<String, String>,
    /** A partial configuration; absent keys are not overridden. */
    val overrides: Map<String, Any>,
) {
    companion object {
        val USAGE =
            """
            Usage: npm run start:jvm -- [options]

              --config FILE           configuration (JSON); what is generated is kept beside it
              --address ADDRESS       numeric address to listen on; 0.0.0.0 or :: for all
              --rtsp-port PORT        0 takes a free one
              --http-port PORT        0 takes a free one
              --user NAME:PASSWORD    a login; may be repeated
              --no-auth               no login is asked for: anyone who reaches the ports sees the cameras
              --camera NAME=SPEC      a camera; may be repeated (default: back=test and front=test)
                                      SPEC: test, ${CameraSpecs.USAGE}
              --ready-file FILE       written once everything listens: ports, paths and logins as JSON, for the owner only
              --log-level LEVEL       debug, info, warn or error
              --help
              --version

            Flags go before the configuration file's values.
            """.trimIndent()

        private val LOG_LEVELS = listOf("debug", "info", "warn", "error")
        private val WITH_VALUE =
            setOf("config", "address", "rtsp-port", "http-port", "user", "camera", "ready-file", "log-level")
        private val WITHOUT_VALUE = setOf("no-auth", "help", "version")

        /** Camera names stand in paths and in the configuration. */
        private val CAMERA_NAME = Regex("[A-Za-z0-9_-]{1,64}")
        private val PORT = Regex("[0-9]{1,5}")

        /** Values of the flags by name, in order. @throws UsageFault */
        fun flagsOf(args: List<String>): Map<String, List<String>> {
            val flags = LinkedHashMap<String, MutableList<String>>()
            var at = 0
            while (at < args.size) {
                val arg = args[at++]
                val given = if (arg == "-h") "help" else arg.removePrefix("--").substringBefore('=')
                if (arg != "-h" && !arg.startsWith("-")) {
                    throw UsageFault("Unexpected argument '$arg'. This command does not take positional arguments")
                }
                if (given !in WITH_VALUE && given !in WITHOUT_VALUE) {
                    throw UsageFault("Unknown option '${arg.substringBefore('=')}'")
                }
                val inline = if ('=' in arg) arg.substringAfter('=') else null
                if (given in WITHOUT_VALUE) {
                    if (inline != null) throw UsageFault("Option '--$given' does not take an argument")
                    flags.getOrPut(given) { ArrayList() } += ""
                    continue
                }
                val next = args.getOrNull(at)
                val value = inline ?: next ?: throw UsageFault("Option '--$given <value>' argument missing")
                if (inline == null) {
                    if (value.startsWith("-") && value.length > 1) {
                        throw UsageFault("Option '--$given' argument is ambiguous")
                    }
                    at++
                }
                flags.getOrPut(given) { ArrayList() } += value
            }
            return flags
        }

        /** @throws UsageFault */
        fun parse(flags: Map<String, List<String>>): CommandLine {
            val overrides = LinkedHashMap<String, Any>()

            fun last(name: String): String? = flags[name]?.last()
            last("address")?.let { overrides["address"] = it }
            last("rtsp-port")?.let { overrides["rtsp"] = mapOf("port" to port("--rtsp-port", it)) }
            last("http-port")?.let { overrides["http"] = mapOf("port" to port("--http-port", it)) }
            flags["user"]?.let { users -> overrides["users"] = users.map(::user) }
            if ("no-auth" in flags) {
                if ("user" in flags) throw UsageFault("--no-auth and --user don't go together")
                overrides["auth"] = mapOf("enabled" to false)
            }
            last("log-level")?.let { level ->
                if (level !in
                    LOG_LEVELS
                ) {
                    throw UsageFault("--log-level \"$level\" is none of ${LOG_LEVELS.joinToString(", ")}")
                }
                overrides["log"] = mapOf("level" to level)
            }
            val cameras = cameras(flags["camera"] ?: listOf("back=test", "front=test"))
            overrides["cameras"] = cameras.mapValues { emptyMap<String, Any>() }
            return CommandLine(
                last("config")?.let { File(it) },
                last("ready-file")?.let { File(it) },
                cameras,
                overrides,
            )
        }

        private fun port(
            flag: String,
            text: String,
        ): Int {
            val port = if (PORT.matches(text)) text.toInt() else -1
            if (port !in 0..65_535) throw UsageFault("$flag \"$text\" is no port from 0 to 65535")
            return port
        }

        private fun user(text: String): Map<String, String> {
            val colon = text.indexOf(':')
            // The text may be a password alone: it is not repeated.
            if (colon < 1 || colon == text.length - 1) throw UsageFault("--user needs NAME:PASSWORD")
            return mapOf("name" to text.substring(0, colon), "password" to text.substring(colon + 1))
        }

        private fun cameras(entries: List<String>): Map<String, String> {
            val cameras = LinkedHashMap<String, String>()
            for (entry in entries) {
                val name = entry.substringBefore('=', "")
                if (!CAMERA_NAME.matches(name)) throw UsageFault("--camera \"$entry\" is not NAME=SPEC")
                if (name in cameras) throw UsageFault("--camera $name is given twice")
                val spec = entry.substringAfter('=')
                cameras[name] = if (spec == "test") "test:${clipFor(name, cameras.size)}" else spec
            }
            return cameras
        }

        /** Cameras called back and front play their own clip; others take turns. */
        private fun clipFor(
            name: String,
            index: Int,
        ): String =
            if (name == "back" || name == "front") {
                name
            } else if (index % 2 == 0) {
                "back"
            } else {
                "front"
            }
    }
}
