package dev.porthole.capture

import android.content.Context
import android.os.Build

/**
 * [RungMemory] in the app's preferences, readable before the first unlock. An update of Android may bring other encoders:
 * what was learnt before it is forgotten.
 */
class RungPreferences(
    context: Context,
) : RungMemory {
    private val preferences =
        context.createDeviceProtectedStorageContext().getSharedPreferences("encoders", Context.MODE_PRIVATE)

    init {
        if (preferences.getString(SYSTEM, null) != Build.FINGERPRINT) {
            preferences
                .edit()
                .clear()
                .putString(SYSTEM, Build.FINGERPRINT)
                .apply()
        }
    }

    override fun get(key: String): Int? = preferences.getInt(key, NONE).takeIf { it in Rung.entries.indices }

    override fun put(
        key: String,
        rung: Int,
    ) {
        if (get(key) != rung) preferences.edit().putInt(key, rung).apply()
    }

    private companion object {
        const val SYSTEM = "system"
        const val NONE = -1
    }
}
