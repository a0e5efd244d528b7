/**
 * The cameras: what each sees now, how it is, where it is to be had, and what it can be told.
 */
import { useState } from "preact/hooks";
import { ApiError, command, reasonOf } from "./api.ts";
import type { ViewProps } from "./app.tsx";
import { CopyButton } from "./copy.tsx";
import { showCode } from "./dialogs.tsx";
import { bitrateText } from "./figures.ts";
import { attempt, notify } from "./notices.tsx";
import { LivePicture, StillPicture } from "./pictures.tsx";
import { Address, Prose } from "./prose.tsx";
import type { Camera, Profile, ServerState, Status } from "./server-state.ts";

const STATES: Readonly<Record<Camera["state"], string>> = {
  ok: "ready",
  locked_by_os: "locked by the system",
  evicted: "taken away",
  in_use: "in use elsewhere",
  disabled: "off",
  error: "not working",
};

export function CamerasView({ server, seen, login }: ViewProps) {
  const [chosen, setChosen] = useState<string>();
  const { status } = seen;
  if (status === undefined) return <p class="empty">Asking the server …</p>;
  const watchable = status.cameras.filter(({ name, state }) => state === "ok" && pictureOf(status, name) !== undefined);
  // One live picture a tab: a browser has but six connections to a server, and a phone but one sender.
  const live = watchable.find(({ name }) => name === chosen) ?? watchable[0];
  return (
    <div class="cameras">
      {status.cameras.map((camera) => (
        <CameraCard
          key={camera.name}
          camera={camera}
          status={status}
          server={server}
          isAdmin={login.role === "admin"}
          isLive={camera === live}
          onLive={() => setChosen(camera.name)}
        />
      ))}
      {status.cameras.length === 0 ? <p class="empty">This device has no camera.</p> : null}
    </div>
  );
}

/** The MJPEG profile that shows a camera now: its own before one that was switched to it. */
function pictureOf({ profiles }: Status, camera: string): Profile | undefined {
  const showing = profiles.filter((profile) => profile.codec === "mjpeg" && profile.camera === camera);
  return showing.find(({ configuredCamera }) => configuredCamera === camera) ?? showing[0];
}

type CardProps = {
  readonly camera: Camera;
  readonly status: Status;
  readonly server: ServerState;
  readonly isAdmin: boolean;
  readonly isLive: boolean;
  readonly onLive: () => void;
};

function CameraCard({ camera, status, server, isAdmin, isLive, onLive }: CardProps) {
  const { name, state, reason, fix } = camera;
  const profiles = status.profiles.filter((profile) => profile.camera === name);
  const picture = pictureOf(status, name);
  const titleId = `camera-${name}`;
  return (
    <section class="panel camera" aria-labelledby={titleId}>
      <div class="panel-head">
        <h2 id={titleId}>{name}</h2>
        <span class={`badge ${state === "ok" ? "good" : state === "disabled" ? "off" : "bad"}`}>{STATES[state]}</span>
      </div>
      <div aria-live="polite">
        {state === "ok" ? null : (
          <p class="state">
            <Prose text={reason ?? `its state is ${state}`} />
            {fix === undefined ? null : (
              <span class="fix">
                To fix it: <Prose text={fix} />
              </span>
            )}
          </p>
        )}
      </div>
      {picturePlace()}
      {isAdmin ? <CameraControls camera={camera} server={server} /> : null}
      <h3>Streams</h3>
      {profiles.length === 0 ? <p class="empty">No stream shows this camera.</p> : null}
      {profiles.map((profile) => (
        <ProfileRow key={profile.path} profile={profile} status={status} server={server} isAdmin={isAdmin} />
      ))}
    </section>
  );

  function picturePlace() {
    if (state !== "ok") return <div class="picture none">No picture: the camera is {STATES[state]}</div>;
    if (picture === undefined) return <div class="picture none">No MJPEG stream shows this camera</div>;
    if (!isLive) return <StillPicture path={picture.path} camera={name} onLive={onLive} />;
    if (status.server.mjpegServer === "stopped") return <div class="picture none">MJPEG over HTTP is stopped</div>;
    return <LivePicture path={picture.path} camera={name} />;
  }
}

function CameraControls({ camera, server }: { readonly camera: Camera; readonly server: ServerState }) {
  const { name, state, reason, torch, zoom } = camera;
  const [factor, setFactor] = useState(zoom?.min ?? 1);
  const tell = async (done: string, what: string, body: object): Promise<void> => {
    await attempt(done, () => command(what, body));
    server.refresh();
  };
  const isStopped = state === "disabled" && reason === "stopped by command";
  return (
    <div class="buttons camera-controls">
      {isStopped ? (
        <button
          type="button"
          class="main"
          onClick={() => tell("The camera may be used", "start-camera", { camera: name })}
        >
          Start camera
        </button>
      ) : (
        <button type="button" onClick={() => tell("The camera is shut", "stop-camera", { camera: name })}>
          Stop camera
        </button>
      )}
      {torch ? (
        <>
          <button type="button" onClick={() => tell("The lamp is on", "set-torch", { camera: name, on: true })}>
            Lamp on
          </button>
          <button type="button" onClick={() => tell("The lamp is off", "set-torch", { camera: name, on: false })}>
            Lamp off
          </button>
        </>
      ) : null}
      {zoom === null || zoom.max <= zoom.min ? null : (
        <label class="inline">
          Zoom
          <input
            type="range"
            min={zoom.min}
            max={zoom.max}
            step="0.1"
            value={factor}
            onInput={(event) => setFactor(event.currentTarget.valueAsNumber)}
            onChange={(event) => {
              const chosen = event.currentTarget.valueAsNumber;
              void tell(`Zoom ${chosen.toFixed(1)}`, "set-zoom", { camera: name, zoom: chosen });
            }}
          />
          <output>{factor.toFixed(1)} ×</output>
        </label>
      )}
    </div>
  );
}

type RowProps = {
  readonly profile: Profile;
  readonly status: Status;
  readonly server: ServerState;
  readonly isAdmin: boolean;
};

function ProfileRow({ profile, status, server, isAdmin }: RowProps) {
  const { path, codec, fps, bitrate, players, state, reason, encoder } = profile;
  // What keeps the camera from working is said once, above.
  const cameraIsFine = status.cameras.some(({ name, state: its }) => name === profile.camera && its === "ok");
  const size = status.encoders.find(({ label }) => label === encoder);
  const facts = [
    codec === "h264" ? "H.264" : "MJPEG",
    size?.width ? `${size.width} × ${size.height}` : "",
    state === "running" ? `${fps.toFixed(0)} fps` : state,
    state === "running" ? bitrateText(bitrate) : "",
    players > 0 ? `${players} watching over RTSP` : "",
  ].filter(Boolean);
  return (
    <div class="profile">
      <p class="profile-head">
        <code>{path}</code>
        <span class="faint">{facts.join(" · ")}</span>
      </p>
      {reason === null || !cameraIsFine ? null : <p class="state">{reason}</p>}
      <ul class="addresses">
        {addressesOf(profile, status).map(({ what, address }) => (
          <li key={address}>
            <span class="what">{what}</span>
            <Address text={address} />
            <span class="buttons">
              <CopyButton text={address} what={`${what} address of ${path}`} />
              <button
                type="button"
                aria-label={`QR code of the ${what} address of ${path}`}
                onClick={() => showCode(`${what} address of ${path}`, address)}
              >
                QR
              </button>
            </span>
          </li>
        ))}
      </ul>
      {isAdmin ? <ProfileControls profile={profile} status={status} server={server} /> : null}
    </div>
  );
}

/** The name in the browser's address bar works for other programs on this network too. */
function addressesOf({ path, codec, rtsp }: Profile, { server }: Status) {
  const addresses: { readonly what: string; readonly address: string }[] = [];
  if (rtsp && server.rtspPort !== null) {
    addresses.push({ what: "RTSP", address: `rtsp://${location.hostname}:${server.rtspPort}${path}` });
  }
  if (rtsp && server.rtspsPort !== null) {
    addresses.push({ what: "RTSPS", address: `rtsps://${location.hostname}:${server.rtspsPort}${path}` });
  }
  if (codec === "mjpeg") {
    addresses.push({ what: "HTTP", address: `${location.origin}${path}` });
    addresses.push({ what: "Snapshot", address: `${location.origin}${path}/snapshot.jpg` });
  }
  return addresses;
}

function ProfileControls({ profile, status, server }: Omit<RowProps, "isAdmin">) {
  const { path, codec, camera, targetBitrate, quality } = profile;
  const requestKeyFrame = async (): Promise<void> => {
    try {
      const changed = await command("request-key-frame", { profile: path });
      notify(changed ? "A key frame is on its way" : "Nobody watches this stream, or one was asked for just now");
    } catch (error) {
      notify(reasonOf(error), true);
    }
  };
  return (
    <details class="controls">
      <summary>
        Controls<span class="visually-hidden"> of {path}</span>
      </summary>
      <div class="control-fields">
        <label class="inline">
          Shows
          <select
            aria-label={`Camera that ${path} shows`}
            value={camera}
            onChange={async (event) => {
              const wanted = event.currentTarget.value;
              await attempt(`${path} shows ${wanted}`, () =>
                command("switch-camera", { profile: path, camera: wanted }),
              );
              server.refresh();
            }}
          >
            {status.cameras.map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {codec === "h264" ? (
          <>
            <NumberCommand
              label="Bit rate, kbit/s"
              value={targetBitrate === null ? undefined : targetBitrate / 1_000}
              send={(kilobits) => command("set-bitrate", { profile: path, bitrate: Math.round(kilobits * 1_000) })}
            />
            <button type="button" onClick={requestKeyFrame}>
              Request key frame
            </button>
          </>
        ) : (
          <NumberCommand
            label="Quality, 1 … 100"
            value={quality ?? undefined}
            send={(value) => command("set-quality", { profile: path, quality: value })}
          />
        )}
      </div>
    </details>
  );
}

type NumberCommandProps = {
  readonly label: string;
  readonly value: number | undefined;
  readonly send: (value: number) => Promise<boolean>;
};

function NumberCommand({ label, value, send }: NumberCommandProps) {
  const [text, setText] = useState<string>();
  const [fault, setFault] = useState<string>();
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      await send(Number(text ?? value));
      setFault(undefined);
      // What was typed while the answer was under way stays.
      setText((now) => (now === text ? undefined : now));
      notify("Set until the server starts again");
    } catch (error) {
      setFault(error instanceof ApiError ? error.message : reasonOf(error));
    }
  };
  return (
    <form class="inline" onSubmit={submit} noValidate>
      <label class="inline">
        {label}
        <input
          class="short"
          inputMode="decimal"
          value={text ?? (value === undefined ? "" : String(value))}
          aria-invalid={fault !== undefined}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button type="submit">Set</button>
      {fault === undefined ? null : (
        <span class="fault" role="alert">
          {fault}
        </span>
      )}
    </form>
  );
}
