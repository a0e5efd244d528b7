package dev.porthole.gl

import dev.porthole.capture.PixelSize
import dev.porthole.host.json.Json
import org.junit.Assert.assertEquals
import org.junit.Test
import java.io.File

/** Where pictures come to lie. The shaders' tests draw the same places and look at the pixels. */
class PicturePlaceTest {
    private val places =
        (
            Json.parse(
                File(System.getProperty("porthole.root"), "test/android/picture-places.json").readText(),
            ) as Map<*, *>
        )["places"]
            .let { it as List<*> }
            .map { it as Map<*, *> }

    private fun Map<*, *>.numbers(key: String): List<Double> = (get(key) as List<*>).map { (it as Number).toDouble() }

    private fun Map<*, *>.size(key: String): PixelSize = numbers(key).let { PixelSize(it[0].toInt(), it[1].toInt()) }

    @Test
    fun `every place is the one that the shaders are tested with`() {
        for (place in places) {
            val name = place["name"] as String
            val clockwise = (place["clockwise"] as Number).toInt()
            val made =
                PicturePlace.of(
                    place.size("source"),
                    place.size("output"),
                    clockwise,
                    place["mirror"] as Boolean,
                )
            val rectangle = listOf(made.left, made.top, made.size.width, made.size.height).map { it.toDouble() }
            assertEquals(name, place.numbers("rectangle"), rectangle)
            val points = mapOf("origin" to made.origin, "across" to made.across, "down" to made.down)
            for ((key, point) in points) {
                assertEquals("$name: $key x", place.numbers(key)[0], point.x, 1e-9)
                assertEquals("$name: $key y", place.numbers(key)[1], point.y, 1e-9)
            }
        }
        assertEquals(14, places.size)
    }

    @Test
    fun `a phone's picture fills what is nearly its shape and keeps bars elsewhere`() {
        val sensor = PixelSize(1920, 1080)
        val place = { output: PixelSize, clockwise: Int -> PicturePlace.of(sensor, output, clockwise, false) }
        assertEquals(PixelSize(1280, 720), place(PixelSize(1280, 720), 0).size)
        assertEquals(PixelSize(640, 480), place(PixelSize(640, 480), 180).size)
        assertEquals(PixelSize(720, 1280), place(PixelSize(720, 1280), 90).size)
        val standing = place(PixelSize(1280, 720), 90)
        assertEquals(listOf(438, 0), listOf(standing.left, standing.top))
        assertEquals(PixelSize(404, 720), standing.size)
    }

    @Test
    fun `four taps lie a quarter of a pixel off where a picture is halved, and together where it is not`() {
        assertEquals(0.0, PicturePlace.tap(8.0, 8), 0.0)
        assertEquals(0.0, PicturePlace.tap(8.0, 16), 0.0)
        assertEquals(1 / 32.0, PicturePlace.tap(16.0, 8), 0.0)
        assertEquals(1 / 32.0, PicturePlace.tap(80.0, 8), 0.0)
        assertEquals(1 / 64.0, PicturePlace.tap(12.0, 8), 0.0)
    }

    @Test(expected = IllegalArgumentException::class)
    fun `other angles are a bug`() {
        PicturePlace.of(PixelSize(8, 4), PixelSize(8, 4), 45, false)
    }

    @Test
    fun `rows of NV21 are filled up to four bytes`() {
        val layout = {
            width: Int,
            height: Int,
            ->
            Nv21Layout(PixelSize(width, height)).let { Triple(it.stride, it.packed, it.bytes) }
        }
        assertEquals(Triple(1280, PixelSize(320, 1080), 1_382_400), layout(1280, 720))
        assertEquals(Triple(12, PixelSize(3, 9), 108), layout(10, 6))
    }
}
