package dev.porthole.desktop

/** Why a camera can't serve, in one line for a person. */
internal class CameraFault(
    message: String,
) : Exception(message)
