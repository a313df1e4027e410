// The field itself, in its frame: what is typed here goes to the stand-in alone, and the page gets a token.
(() => {
  'use strict';
  const byId = (id) => document.getElementById(id);
  const key = new URLSearchParams(location.search).get('key');
  const [parentOrigin] = [...(location.ancestorOrigins ?? [new URL(document.referrer).origin])];
  const say = (message) => parent.postMessage(message, parentOrigin);

  function show(message) {
    byId('error').textContent = message;
    byId('error').hidden = message === '';
    resize();
  }

  function resize() {
    say({ type: 'height', height: document.documentElement.offsetHeight });
  }

  function fault() {
    if (byId('kind').value !== 'card') return '';
    const digits = byId('number').value.replace(/\s/g, '');
    if (!/^\d{16}$/.test(digits)) return 'Your card number is incomplete.';
    if (!/^\d\d\s*\/\s*\d\d$/.test(byId('expiry').value)) return "Your card's expiration date is incomplete.";
    return /^\d{3,4}$/.test(byId('cvc').value) ? '' : "Your card's security code is incomplete.";
  }

  function submit() {
    const message = fault();
    show(message);
    if (message !== '') return { error: { type: 'validation_error', message } };
    return { selectedPaymentMethod: byId('kind').value };
  }

  async function token({ amount, currency, captureMethod }) {
    const kind = byId('kind').value;
    const fields = { type: kind, amount, currency, capture_method: captureMethod };
    if (kind === 'card') fields.number = byId('number').value.replace(/\s/g, '');
    const answer = await fetch('/v1/confirmation_tokens', {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: new URLSearchParams(fields),
    });
    const body = await answer.json();
    return answer.ok ? { confirmationToken: body } : { error: body.error };
  }

  addEventListener('message', async ({ data, origin, source }) => {
    if (source !== parent || origin !== parentOrigin) return;
    const answer = data.type === 'submit' ? submit() : await token(data);
    say({ type: 'answer', id: data.id, ...answer });
  });
  document.querySelector('form').addEventListener('submit', (event) => event.preventDefault());
  document.querySelector('form').addEventListener('input', () => {
    byId('card').hidden = byId('kind').value !== 'card';
    show('');
    say({ type: 'change', complete: fault() === '', empty: false, value: { type: byId('kind').value } });
  });
  resize();
  say({ type: 'ready' });
})();
