package dev.porthole.desktop

import dev.porthole.host.json.Json
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File

class CommandLineTest {
    private fun parse(vararg args: String) = CommandLine.parse(CommandLine.flagsOf(args.toList()))

    private fun fault(vararg args: String) = assertThrows(UsageFault::class.java) { parse(*args) }.message!!

    @Test
    fun `without flags two test cameras are served`() {
        val line = parse()
        assertEquals(mapOf("back" to "test:back", "front" to "test:front"), line.cameras)
        assertEquals("""{"cameras":{"back":{},"front":{}}}""", Json.write(line.overrides))
        assertEquals(null, line.configFile)
    }

    @Test
    fun `flags become overrides in the configuration's shape`() {
        val line =
            parse(
                *arrayOf("--address", "::", "--rtsp-port=0", "--http-port", "8080", "--user", "a:b:c", "--user", "d:e"),
                *arrayOf(
                    "--camera",
                    "porch=test",
                    "--camera",
                    "yard=clip:x",
                    "--camera",
                    "gate=test",
                    "--log-level",
                    "debug",
                ),
                *arrayOf("--config", "p.json", "--ready-file", "r.json"),
            )
        val expected =
            """{"address":"::","rtsp":{"port":0},"http":{"port":8080},"users":[{"name":"a","password":"b:c"},""" +
                """{"name":"d","password":"e"}],"log":{"level":"debug"},"cameras":{"porch":{},"yard":{},"gate":{}}}"""
        assertEquals(expected, Json.write(line.overrides))
        assertEquals(mapOf("porch" to "test:back", "yard" to "clip:x", "gate" to "test:back"), line.cameras)
        assertEquals(File("p.json") to File("r.json"), line.configFile to line.readyFile)
        assertEquals("""{"enabled":false}""", Json.write(parse("--no-auth").overrides["auth"]))
    }

    @Test
    fun `what makes no sense is named in one line, and never a password`() {
        assertTrue("--frobnicate" in fault("--frobnicate"))
        assertTrue("'extra'" in fault("extra"))
        assertTrue("--rtsp-port" in fault("--rtsp-port"))
        assertTrue("65535" in fault("--rtsp-port", "65536"))
        assertTrue("x1" in fault("--http-port", "x1"))
        assertTrue("secret" !in fault("--user", "secret"))
        assertTrue("NAME:PASSWORD" in fault("--user", "name:"))
        assertTrue("together" in fault("--no-auth", "--user", "a:b"))
        assertTrue("twice" in fault("--camera", "a=test", "--camera", "a=test"))
        assertTrue("NAME=SPEC" in fault("--camera", "test"))
        assertTrue("loud" in fault("--log-level", "loud"))
    }

    @Test
    fun `the greeting tells addresses, paths and the login`() {
        val info =
            Json.parse(
                """{"rtspPort":7778,"httpPort":7779,"users":[{"name":"viewer"}],"authentication":true,""" +
                    """"paths":{"rtsp":["/live/back","/live/front"],"http":["/Back/"]}}""",
            ) as Map<*, *>
        val text = Greeting.text("0.1.0", info, listOf("127.0.0.1"), null)
        val expected =
            """
            Porthole 0.1.0 is up.

              RTSP   rtsp://127.0.0.1:7778/live/back
                     rtsp://127.0.0.1:7778/live/front
              HTTP   http://127.0.0.1:7779/
                     http://127.0.0.1:7779/Back/

              Login  viewer


            """.trimIndent()
        assertEquals(expected, text)
        assertTrue("password  s3cret" in Greeting.text("0.1.0", info, listOf("::1"), Login("owner", "s3cret")))
        assertTrue("rtsp://[::1]:7778/" in Greeting.text("0.1.0", info, listOf("::1"), null))
        assertTrue("No login" in Greeting.text("0.1.0", info + ("authentication" to false), listOf("::1"), null))
    }
}
