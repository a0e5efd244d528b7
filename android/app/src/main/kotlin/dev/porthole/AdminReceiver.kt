package dev.porthole

import android.app.admin.DeviceAdminReceiver

/** Makes the app eligible as device owner; there is nothing to receive. */
class AdminReceiver : DeviceAdminReceiver()
