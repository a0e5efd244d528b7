package dev.porthole.start

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class StartStageTest {
    private val asked = ArrayList<Set<ServiceType>>()

    private val base = setOf(ServiceType.SPECIAL_USE)
    private val camera = base + ServiceType.CAMERA
    private val both = camera + ServiceType.MICROPHONE

    private fun stageOn(
        api: Int,
        wantsMicrophone: Boolean = false,
        refuses: (Set<ServiceType>) -> Boolean = { false },
    ) = StartStage(api, wantsMicrophone) { types ->
        asked += types
        if (refuses(types)) Refusal("types", "no to ${types.size}") else null
    }

    private fun refusesCamera(types: Set<ServiceType>) = ServiceType.CAMERA in types

    @Test
    fun `a start asks for the base first and for the camera second`() {
        assertEquals(Stage.Capturing(false), stageOn(35).start(Trigger.BOOT, Facts(35)))
        assertEquals(listOf(base, camera), asked)
    }

    @Test
    fun `before Android 11 there is nothing to add`() {
        for (api in listOf(26, 29)) {
            asked.clear()
            assertEquals(Stage.Capturing(false), stageOn(api).start(Trigger.BOOT, Facts(api, cameraOpAllowed = false)))
            assertEquals(listOf(base), asked)
        }
    }

    @Test
    fun `when Android refuses the camera's type, the service stays and the cameras are locked`() {
        val stage = stageOn(35, refuses = ::refusesCamera)
        assertEquals(Stage.Locked(Refusal("types", "no to 2")), stage.start(Trigger.BOOT, Facts(35)))
        assertEquals(listOf(Refusal("types", "no to 2")), stage.refusals)
    }

    @Test
    fun `when Android refuses even the base, the service goes on in the background`() {
        val stage = stageOn(35, refuses = { true })
        assertEquals(Stage.Background(Refusal("types", "no to 1")), stage.start(Trigger.BOOT, Facts(35)))
        assertEquals(2, stage.refusals.size)
    }

    @Test
    fun `when Android refuses the base but not the camera, the camera counts`() {
        val stage = stageOn(34, refuses = { it == base })
        assertEquals(Stage.Capturing(false), stage.start(Trigger.TAP, Facts(34)))
    }

    @Test
    fun `when Android refuses the microphone, the camera is asked for alone`() {
        val stage = stageOn(34, wantsMicrophone = true) { ServiceType.MICROPHONE in it }
        assertEquals(Stage.Capturing(microphone = false), stage.start(Trigger.SHELL, Facts(34)))
        assertEquals(listOf(base, both, camera), asked)
        assertEquals(1, stage.refusals.size)
    }

    @Test
    fun `with the microphone granted both are there`() {
        assertEquals(Stage.Capturing(true), stageOn(34, wantsMicrophone = true).start(Trigger.SHELL, Facts(34)))
    }

    @Test
    fun `without the permission the camera is not asked for`() {
        val stage = stageOn(35).start(Trigger.TAP, Facts(35, cameraPermission = false))
        assertTrue("$stage", stage is Stage.Locked)
        assertEquals(listOf(base), asked)
    }

    @Test
    fun `when Android says nothing but gives no camera to a start from the background, the cameras are locked`() {
        val facts = Facts(31, cameraOpAllowed = false)
        for (trigger in listOf(Trigger.BOOT, Trigger.LOCKED_BOOT, Trigger.UPDATE, Trigger.STICKY, Trigger.RECHECK)) {
            assertTrue(stageOn(31).start(trigger, facts) is Stage.Locked)
            assertTrue(stageOn(31).start(trigger, facts.copy(deviceOwner = true)) is Stage.Capturing)
        }
        for (trigger in listOf(Trigger.HOME, Trigger.TRAMPOLINE, Trigger.TAP, Trigger.SHELL)) {
            assertTrue(stageOn(31).start(trigger, facts) is Stage.Capturing)
        }
    }

    @Test
    fun `Android 11 does not count a start by the shell, but one of our activity`() {
        val facts = Facts(30, cameraOpAllowed = false)
        assertTrue(stageOn(30).start(Trigger.SHELL, facts) is Stage.Locked)
        assertTrue(stageOn(30).start(Trigger.TRAMPOLINE, facts) is Stage.Capturing)
    }

    @Test
    fun `a locked camera is unlocked by a later start`() {
        var refuse = true
        val stage = stageOn(34) { refuse && refusesCamera(it) }
        assertTrue(stage.start(Trigger.BOOT, Facts(34)) is Stage.Locked)
        refuse = false
        assertTrue(stage.start(Trigger.TAP, Facts(34)) is Stage.Capturing)
        assertEquals(emptyList<Refusal>(), stage.refusals)
    }

    @Test
    fun `a later start from the background takes no camera away, and asks for no fewer types`() {
        var refuse = false
        val stage = stageOn(34) { refuse && refusesCamera(it) }
        assertTrue(stage.start(Trigger.TAP, Facts(34)) is Stage.Capturing)
        refuse = true
        asked.clear()
        assertTrue(stage.start(Trigger.BOOT, Facts(34, cameraOpAllowed = false)) is Stage.Capturing)
        assertEquals(listOf(camera), asked)
    }

    @Test
    fun `a camera that Android refuses later is locked until the next start`() {
        val stage = stageOn(31)
        stage.start(Trigger.BOOT, Facts(31))
        assertEquals(Stage.Locked(Refusal("camera", "CAMERA_DISABLED")), stage.cameraRefused("CAMERA_DISABLED"))
        // Told twice, or told when it is not so, changes nothing.
        assertEquals(Stage.Locked(Refusal("camera", "CAMERA_DISABLED")), stage.cameraRefused("again"))
        assertTrue(stage.start(Trigger.SHELL, Facts(31)) is Stage.Capturing)
    }

    @Test
    fun `a permission that is taken away locks the cameras`() {
        val stage = stageOn(34)
        stage.start(Trigger.TAP, Facts(34))
        assertTrue(stage.start(Trigger.RECHECK, Facts(34, cameraPermission = false)) is Stage.Locked)
    }

    @Test
    fun `after a stop everything begins anew`() {
        val stage = stageOn(34)
        stage.start(Trigger.TAP, Facts(34))
        stage.stop()
        assertEquals(Stage.Stopped, stage.stage)
        asked.clear()
        stage.start(Trigger.TAP, Facts(34))
        assertEquals(listOf(base, camera), asked)
    }
}
