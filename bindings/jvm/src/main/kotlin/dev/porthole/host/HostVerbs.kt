package dev.porthole.host

/**
 * The verbs of `bindings/contract/host.ts`, typed; that file says what each does. Called on the core's thread only.
 *
 * Handles and counts are 0 or more, or a Code. Byte arrays are the host's from the call on.
 */
internal interface HostVerbs :
    TcpVerbs,
    UdpVerbs,
    CameraVerbs,
    MediaVerbs,
    FileVerbs {
    fun contractVersion(): Int

    fun takeEvents(): String

    fun clock(): String

    fun random(count: Int): String

    fun log(
        level: String,
        line: String,
    )

    fun deviceStatus(): String

    fun ready(info: String)

    fun credentials(login: String)

    fun exit(
        code: Int,
        message: String,
    )
}

/** Listeners and connections. */
internal interface TcpVerbs {
    fun tcpListen(spec: String): Int

    fun listenerClose(listener: Int): Int

    fun tcpConnect(spec: String): Int

    fun tcpWrite(
        connection: Int,
        bytes: ByteArray,
    ): Int

    fun tcpWriteBlob(
        connection: Int,
        blob: Int,
        offset: Int,
        length: Int,
    ): Int

    fun tcpClose(
        connection: Int,
        afterFlush: Boolean,
    ): Int

    fun tcpPause(connection: Int): Int

    fun tcpResume(connection: Int): Int
}

/** Datagrams. */
internal interface UdpVerbs {
    fun udpOpen(spec: String): Int

    fun udpConnect(
        socket: Int,
        address: String,
        port: Int,
    ): Int

    fun udpSend(
        socket: Int,
        bytes: ByteArray,
        address: String,
        port: Int,
    ): Int

    fun udpClose(socket: Int): Int

    fun interfaces(): String
}

/** Media in. */
internal interface CameraVerbs {
    fun cameras(): String

    fun cameraSet(
        name: String,
        settings: String,
    ): Int

    fun capture(
        name: String,
        spec: String,
    ): Int

    fun encoderOpen(spec: String): Int

    fun encoderClose(encoder: Int): Int

    fun encoderSetBitrate(
        encoder: Int,
        bitsPerSecond: Int,
    ): Int

    fun encoderSetQuality(
        encoder: Int,
        quality: Int,
    ): Int

    fun encoderRequestKeyFrame(encoder: Int): Int
}

/** Media out, and blobs. */
internal interface MediaVerbs {
    fun outletOpen(spec: String): Int

    fun outletClose(outlet: Int): Int

    fun outletStats(outlet: Int): String

    fun wireAges(): String

    fun fanoutCreate(form: String): Int

    fun fanoutAdd(
        fanout: Int,
        outlet: Int,
    ): Int

    fun fanoutRemove(
        fanout: Int,
        outlet: Int,
    ): Int

    fun fanoutClose(fanout: Int): Int

    fun fanoutSend(
        fanout: Int,
        frame: Int,
        plan: ByteArray,
        length: Int,
        key: Boolean,
    ): Int

    fun keepFrame(frame: Int): Int

    fun blobRelease(blob: Int): Int
}

/** Configuration and files. */
internal interface FileVerbs {
    fun configRead(which: String): String

    fun configWrite(
        which: String,
        text: String,
    ): Int

    fun configResult(result: String)

    fun fileOpen(spec: String): Int

    fun fileAppend(
        file: Int,
        bytes: ByteArray,
    ): Int

    fun fileSync(file: Int): Int

    fun fileClose(file: Int): Int

    fun fileRename(
        from: String,
        to: String,
    ): Int

    fun fileDelete(name: String): Int

    fun fileList(): String
}
