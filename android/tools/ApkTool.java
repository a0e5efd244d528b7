import com.android.apksig.ApkSigner;
import com.android.apksig.ApkVerifier;
import java.io.File;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * Signs and verifies an APK, run from source with apksig on the class path:
 *
 *     java -cp apksig.jar ApkTool.java sign UNSIGNED SIGNED KEYSTORE ALIAS MIN_SDK   password in PORTHOLE_KEY_PASSWORD
 *     java -cp apksig.jar ApkTool.java verify APK MIN_SDK                            prints `name value` lines
 *
 * Signing aligns too: native libraries to 16 KiB, everything else that is stored to 4 bytes. Schemes v2 and v3; v1 is for
 * Android before 7.
 */
final class ApkTool {
    private static final int LIBRARY_ALIGNMENT = 16 * 1024;

    public static void main(String[] args) throws Exception {
        if (args.length == 6 && args[0].equals("sign")) {
            sign(new File(args[1]), new File(args[2]), Path.of(args[3]), args[4], Integer.parseInt(args[5]));
        } else if (args.length == 3 && args[0].equals("verify")) {
            verify(new File(args[1]), Integer.parseInt(args[2]));
        } else {
            throw new IllegalArgumentException("sign UNSIGNED SIGNED KEYSTORE ALIAS MIN_SDK | verify APK MIN_SDK");
        }
    }

    private static void sign(File in, File out, Path keystore, String alias, int minSdk) throws Exception {
        String password = System.getenv("PORTHOLE_KEY_PASSWORD");
        if (password == null) throw new IllegalArgumentException("PORTHOLE_KEY_PASSWORD is not set");
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (InputStream stream = Files.newInputStream(keystore)) {
            keys.load(stream, password.toCharArray());
        }
        if (!(keys.getKey(alias, password.toCharArray()) instanceof PrivateKey key)) {
            throw new IllegalArgumentException(keystore + " has no private key called " + alias);
        }
        List<X509Certificate> chain = new ArrayList<>();
        for (Certificate certificate : keys.getCertificateChain(alias)) chain.add((X509Certificate) certificate);
        ApkSigner.SignerConfig signer = new ApkSigner.SignerConfig.Builder("porthole", key, chain).build();
        new ApkSigner.Builder(List.of(signer))
                .setInputApk(in)
                .setOutputApk(out)
                .setMinSdkVersion(minSdk)
                .setV1SigningEnabled(false)
                .setV2SigningEnabled(true)
                .setV3SigningEnabled(true)
                .setV4SigningEnabled(false)
                .setLibraryPageAlignmentBytes(LIBRARY_ALIGNMENT)
                .build()
                .sign();
        System.out.println("key " + key.getAlgorithm());
        System.out.println("certificate " + digestOf(chain.get(0)));
    }

    private static void verify(File apk, int minSdk) throws Exception {
        ApkVerifier.Result result =
                new ApkVerifier.Builder(apk).setMinCheckedPlatformVersion(minSdk).build().verify();
        System.out.println("verified " + result.isVerified());
        System.out.println("v1 " + result.isVerifiedUsingV1Scheme());
        System.out.println("v2 " + result.isVerifiedUsingV2Scheme());
        System.out.println("v3 " + result.isVerifiedUsingV3Scheme());
        for (X509Certificate certificate : result.getSignerCertificates()) {
            System.out.println("certificate " + digestOf(certificate));
        }
        for (Object issue : result.getAllErrors()) System.out.println("error " + issue);
    }

    private static String digestOf(X509Certificate certificate) throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(certificate.getEncoded());
        return HexFormat.of().formatHex(digest);
    }
}
