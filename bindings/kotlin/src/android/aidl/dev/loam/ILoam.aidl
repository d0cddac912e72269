package dev.loam;

import android.os.ParcelFileDescriptor;

/** What LoamService says to those who bind to it. ILoam.kt is this interface, written out. */
interface ILoam {
    /**
     * One end of a connected socket pair, on which the caller is served as the app that its uid is, in the protocol of
     * service/README.md.
     */
    ParcelFileDescriptor connect() = 0;
}
