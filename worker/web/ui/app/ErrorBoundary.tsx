// What could not be drawn says so in its own place: without this, React would take the whole page away.

import { Component, type ReactNode } from "react";

interface Props {
  words: string;
  children: ReactNode;
}

export class ErrorBoundary extends Component<Props, { hasFailed: boolean }> {
  state = { hasFailed: false };

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  render() {
    if (!this.state.hasFailed) return this.props.children;
    return (
      <div className="pick" role="alert">
        <p>{this.props.words}</p>
        <button type="button" onClick={() => location.reload()}>
          Reload the page
        </button>
      </div>
    );
  }
}
