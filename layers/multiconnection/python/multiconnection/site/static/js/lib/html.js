// Preact and HTM under one name, so that a view has one import.
import { Fragment, createContext, h, render } from "preact";
import { useCallback, useContext, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import htm from "htm";

export const html = htm.bind(h);
export { Fragment, createContext, render, useCallback, useContext, useEffect, useId, useLayoutEffect, useMemo, useRef, useState };
