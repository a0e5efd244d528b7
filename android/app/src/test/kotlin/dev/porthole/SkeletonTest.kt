package dev.porthole

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment

@RunWith(RobolectricTestRunner::class)
class SkeletonTest {
    private val context = RuntimeEnvironment.getApplication()

    @Test
    fun `the app has its manifest, its resources and the bundle of the core`() {
        assertEquals("dev.porthole", context.packageName)
        assertEquals("Porthole", context.getString(R.string.app_name))
        assertTrue(context.assets.open("core.js").use { it.readBytes().decodeToString() }.contains("porthole"))
    }
}
