package dev.porthole.fuzz

/** What Jazzer calls; the system property `porthole.fuzz.target` names the target. */
internal object JazzerEntry {
    private val target = targetNamed(System.getProperty("porthole.fuzz.target") ?: "")

    @JvmStatic
    fun fuzzerTestOneInput(bytes: ByteArray): Unit = target.run(bytes)
}
