package dev.loam

import android.os.Binder
import android.os.IBinder
import android.os.IInterface
import android.os.Parcel
import android.os.ParcelFileDescriptor
import android.os.Parcelable
import android.os.RemoteException

/**
 * What a [LoamService] says to those who bind to it: `ILoam.aidl`, written out as the AIDL compiler does, so that the package
 * needs none to be built.
 */
public interface ILoam : IInterface {
    /** One end of a connected socket pair, on which the caller is served as the app that its uid is. */
    @Throws(RemoteException::class)
    public fun connect(): ParcelFileDescriptor

    /** The service's side. */
    public abstract class Stub : Binder(), ILoam {
        init {
            attachInterface(this, DESCRIPTOR)
        }

        override fun asBinder(): IBinder = this

        override fun onTransact(code: Int, data: Parcel, reply: Parcel?, flags: Int): Boolean {
            if (code != TRANSACTION_CONNECT) return super.onTransact(code, data, reply, flags)
            data.enforceInterface(DESCRIPTOR)
            val connected = connect()
            if (reply == null) {
                // Asked one way: nobody is there to take it.
                connected.close()
                return true
            }
            reply.writeNoException()
            reply.writeInt(PRESENT)
            // The flag closes it here once it was copied.
            connected.writeToParcel(reply, Parcelable.PARCELABLE_WRITE_RETURN_VALUE)
            return true
        }
    }

    private class Proxy(private val remote: IBinder) : ILoam {
        override fun asBinder(): IBinder = remote

        override fun connect(): ParcelFileDescriptor {
            val (data, reply) = Parcel.obtain() to Parcel.obtain()
            try {
                data.writeInterfaceToken(DESCRIPTOR)
                if (!remote.transact(TRANSACTION_CONNECT, data, reply, 0)) throw RemoteException("connect is not known")
                reply.readException()
                if (reply.readInt() != PRESENT) throw RemoteException("connect gave nothing")
                return ParcelFileDescriptor.CREATOR.createFromParcel(reply)
            } finally {
                data.recycle()
                reply.recycle()
            }
        }
    }

    public companion object {
        /** As the AIDL compiler names it. */
        public const val DESCRIPTOR: String = "dev.loam.ILoam"
        private const val TRANSACTION_CONNECT = IBinder.FIRST_CALL_TRANSACTION
        private const val PRESENT = 1

        /** The interface of what a connection to the service gave. */
        public fun asInterface(binder: IBinder): ILoam =
            binder.queryLocalInterface(DESCRIPTOR) as? ILoam ?: Proxy(binder)
    }
}
