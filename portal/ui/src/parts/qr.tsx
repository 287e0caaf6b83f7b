// A text as a QR code, which a telephone reads; drawn by qrcode-generator, which comes when there is something to draw.
import { useEffect, useState } from "preact/hooks";

const kQuiet = 4; // modules around it, as the standard wants

export function Qr({ text, label }: { text: string; label: string }) {
  const [drawn, draw] = useState<{ size: number; path: string } | null>(null);
  useEffect(() => {
    let over = false;
    void import("qrcode-generator").then(({ default: qrcode }) => {
      const code = qrcode(0, "M");
      code.addData(text);
      code.make();
      const count = code.getModuleCount();
      let path = "";
      for (let row = 0; row < count; ++row)
        for (let column = 0; column < count; ++column)
          if (code.isDark(row, column)) path += `M${column + kQuiet} ${row + kQuiet}h1v1h-1z`;
      if (!over) draw({ size: count + 2 * kQuiet, path });
    });
    return () => {
      over = true;
    };
  }, [text]);
  if (!drawn) return null;
  return (
    <svg class="qr" role="img" aria-label={label} viewBox={`0 0 ${drawn.size} ${drawn.size}`} shape-rendering="crispEdges">
      <rect width={drawn.size} height={drawn.size} fill="#fff" />
      <path d={drawn.path} fill="#000" />
    </svg>
  );
}
