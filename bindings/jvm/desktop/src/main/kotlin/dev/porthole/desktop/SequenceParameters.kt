package dev.porthole.desktop

/** The size of the pictures that a sequence parameter set describes (ITU-T H.264 section 7.3.2.1.1), cropping applied. */
internal class SequenceParameters private constructor(
    val width: Int,
    val height: Int,
) {
    /** RBSP bits of a NAL unit: emulation prevention bytes are stepped over (section 7.4.1). */
    private class Bits(
        private val nal: ByteArray,
    ) {
        private var at = 1
        private var bit = 0
        private var zeros = 0

        fun bit(): Int {
            if (bit == 0 && zeros >= 2 && at < nal.size && nal[at].toInt() == 3) {
                at++
                zeros = 0
            }
            if (at >= nal.size) throw CameraFault("sequence parameter set: cut short")
            val value = (nal[at].toInt() shr (7 - bit)) and 1
            if (++bit == 8) {
                zeros = if (nal[at].toInt() == 0) zeros + 1 else 0
                bit = 0
                at++
            }
            return value
        }

        fun bits(count: Int): Int {
            var value = 0
            for (index in 0 until count) value = (value shl 1) or bit()
            return value
        }

        /** ue(v), section 9.1. */
        fun unsigned(): Int {
            var zeros = 0
            while (bit() == 0) if (++zeros > 30) throw CameraFault("sequence parameter set: a number out of range")
            return (1 shl zeros) - 1 + bits(zeros)
        }

        /** se(v), section 9.1.1. */
        fun signed(): Int = unsigned().let { if (it % 2 == 0) -(it / 2) else (it + 1) / 2 }
    }

    companion object {
        /** Profiles whose parameter sets say how colour is sampled. */
        private val CHROMA_PROFILES = setOf(100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
        private const val MACROBLOCK = 16

        /** @param nal without a start code. @throws CameraFault */
        fun parse(nal: ByteArray): SequenceParameters {
            val bits = Bits(nal)
            val profile = bits.bits(8)
            // Constraint flags and level.
            bits.bits(16)
            bits.unsigned()
            var chroma = 1
            if (profile in CHROMA_PROFILES) {
                chroma = bits.unsigned()
                val separatePlanes = chroma == 3 && bits.bit() == 1
                bits.unsigned()
                bits.unsigned()
                bits.bit()
                if (bits.bit() == 1) skipScalingLists(bits, if (chroma == 3) 12 else 8)
                if (separatePlanes) chroma = 0
            }
            bits.unsigned()
            skipPictureOrder(bits)
            bits.unsigned()
            bits.bit()
            val widthUnits = bits.unsigned() + 1
            val heightUnits = bits.unsigned() + 1
            val frameOnly = bits.bit() == 1
            if (!frameOnly) throw CameraFault("interlaced H.264 isn't supported")
            bits.bit()
            var cropWidth = 0
            var cropHeight = 0
            if (bits.bit() == 1) {
                // Cropping counts in chroma samples (Table 6-1).
                val unitWidth = if (chroma == 1 || chroma == 2) 2 else 1
                val unitHeight = if (chroma == 1) 2 else 1
                cropWidth = unitWidth * (bits.unsigned() + bits.unsigned())
                cropHeight = unitHeight * (bits.unsigned() + bits.unsigned())
            }
            val width = widthUnits * MACROBLOCK - cropWidth
            val height = heightUnits * MACROBLOCK - cropHeight
            if (width <= 0 || height <= 0) throw CameraFault("sequence parameter set: no picture is left")
            return SequenceParameters(width, height)
        }

        private fun skipScalingLists(
            bits: Bits,
            count: Int,
        ) {
            for (list in 0 until count) {
                if (bits.bit() == 0) continue
                var last = 8
                var next = 8
                for (entry in 0 until if (list < 6) 16 else 64) {
                    if (next != 0) next = (last + bits.signed() + 256) % 256
                    if (next != 0) last = next
                }
            }
        }

        private fun skipPictureOrder(bits: Bits) {
            when (bits.unsigned()) {
                0 -> {
                    bits.unsigned()
                }

                1 -> {
                    bits.bit()
                    bits.signed()
                    bits.signed()
                    for (frame in 0 until bits.unsigned()) bits.signed()
                }
            }
        }
    }
}
